"""The documentation as a book, in a real Chromium: every page fits, in both colour schemes, and is found by search."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from test_page import NARROW, SCHEMES, WIDE, launch

ROOT = Path(__file__).resolve().parent.parent.parent


class Book(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        assert shutil.which("mdbook"), "there is no mdbook; install it: cargo install mdbook"
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.book = Path(folder.name).resolve() / "book"
        built = subprocess.run(["mdbook", "build", "--dest-dir", cls.book, ROOT], capture_output=True, text=True, check=True)
        assert "WARN" not in built.stderr and "ERROR" not in built.stderr, built.stderr
        cls.browser = launch(cls)

    def open(self, page, **context):
        context = self.browser.new_context(**context)
        self.addCleanup(context.close)
        opened = context.new_page()
        opened.goto((self.book / page).as_uri())
        return opened

    def pages(self):
        """A page for each document, by the name of the document."""
        documents = sorted((ROOT / "docs").glob("*.md"))
        names = [page.stem for page in documents if page.stem not in ("README", "SUMMARY")]
        return ["index.html", *(f"{name}.html" for name in names)]

    def test_every_document_is_a_page_that_fits(self):
        for name in self.pages():
            for scheme in SCHEMES:
                for width in (NARROW, WIDE):
                    page = self.open(name, color_scheme=scheme, viewport={"width": width, "height": 900})
                    self.assertGreater(len(page.locator("main").inner_text()), 500, name)
                    widest = page.evaluate("document.documentElement.scrollWidth")
                    self.assertLessEqual(widest, width, (name, scheme))
                    page.context.close()

    def test_the_colours_follow_the_scheme(self):
        colours = {}
        for scheme in SCHEMES:
            page = self.open("cases.html", color_scheme=scheme)
            colours[scheme] = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        self.assertNotEqual(colours["light"], colours["dark"])

    def test_every_link_within_the_book_leads_to_a_place(self):
        for name in self.pages():
            page = self.open(name)
            links = page.locator("main a[href]").evaluate_all("all => all.map(one => one.href)")
            for link in (link for link in links if link.startswith("file:")):
                address, _, place = link.partition("#")
                target = Path(address.removeprefix("file://"))
                self.assertTrue(target.is_file(), (name, link))
                if place and target.suffix == ".html":
                    self.assertTrue(f'id="{place}"' in target.read_text(encoding="utf-8"), (name, link))

    def test_the_search_finds_a_word(self):
        page = self.open("index.html")
        page.keyboard.press("s")
        page.locator("#mdbook-searchbar").press_sequentially("outliers")
        page.locator("#mdbook-searchresults a").first.wait_for()
        self.assertIn("cases.html", " ".join(page.locator("#mdbook-searchresults a").evaluate_all("all => all.map(one => one.href)")))


if __name__ == "__main__":
    unittest.main()
