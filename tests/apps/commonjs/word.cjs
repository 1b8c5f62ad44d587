exports.word = "Hello";
