const { word } = require("./word.cjs");

module.exports = (name) => `${word}, ${name}`;
