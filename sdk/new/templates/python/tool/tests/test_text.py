"""Run with `python3 -m unittest discover tests`."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from text import greeting, title


class Text(unittest.TestCase):
    def test_a_greeting_is_repeated(self):
        self.assertEqual(greeting("Ada", 1), "Hello, Ada!")
        self.assertEqual(greeting("Ada", 2), "Hello, Ada! Hello, Ada!")

    def test_a_title_is_found_and_its_white_space_collapsed(self):
        self.assertEqual(title("<html><TITLE lang=en>\n  A\n  guide </TITLE></html>"), "A guide")

    def test_a_page_without_a_title_has_none(self):
        for page in ["", "<html>", "<title>", "<title> </title>", "<title"]:
            self.assertIsNone(title(page), page)


if __name__ == "__main__":
    unittest.main()
