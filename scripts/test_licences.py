"""licences.py must fail where it should: each rule once with something that breaks it."""

import unittest

from licences import allowed, duplicate_faults, licence_faults


class Licences(unittest.TestCase):
    def test_expressions(self):
        allow = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"}
        for expression, met in {
            "MIT": True,
            "GPL-3.0": False,
            "GPL-3.0 OR MIT": True,
            "GPL-3.0/MIT": True,
            "GPL-3.0 AND MIT": False,
            "(GPL-3.0 OR MIT) AND Apache-2.0": True,
            "(GPL-3.0 OR MIT) AND ISC": False,
            "MIT AND GPL-3.0 OR Apache-2.0": True,
            "Apache-2.0 WITH LLVM-exception": True,
            "Apache-2.0 WITH Bootloader-exception": False,
            "MIT+": True,
        }.items():
            with self.subTest(expression):
                self.assertEqual(allowed(expression, allow), met)

    def test_what_is_no_expression_is_refused(self):
        for expression in ["MIT OR", "(MIT", "MIT Apache-2.0"]:
            with self.subTest(expression), self.assertRaises(ValueError):
                allowed(expression, {"MIT"})

    def test_a_licence_that_is_not_allowed_is_named(self):
        policy = {"allow": ["MIT"], "exceptions": [{"crate": "weak", "allow": ["MPL-2.0"]}]}
        good = [("weak", "1", "MPL-2.0+"), ("fine", "1", "MIT")]
        self.assertEqual(list(licence_faults(good, policy)), [])
        bad = [*good, ("copyleft", "2", "GPL-3.0"), ("other", "1", "MPL-2.0"), ("silent", "3", None)]
        faults = "\n".join(licence_faults(bad, policy))
        for name in ["copyleft", "other", "silent"]:
            self.assertIn(name, faults)

    def test_an_exception_that_nobody_needs_is_named(self):
        policy = {"allow": ["MIT"], "exceptions": [{"crate": "gone", "allow": ["MPL-2.0"]}]}
        self.assertIn("gone", "\n".join(licence_faults([("fine", "1", "MIT")], policy)))

    def test_duplicates_and_stale_skips_are_named(self):
        twice = [("a", "1", "MIT"), ("a", "2", "MIT"), ("b", "1", "MIT")]
        self.assertIn("a is there 2 times", "\n".join(duplicate_faults(twice, {})))
        self.assertEqual(list(duplicate_faults(twice, {"skip": [{"crate": "a@1"}]})), [])
        self.assertIn("c@9", "\n".join(duplicate_faults(twice, {"skip": [{"crate": "a@1"}, {"crate": "c@9"}]})))


if __name__ == "__main__":
    unittest.main()
