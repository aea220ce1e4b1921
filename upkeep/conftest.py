"""What the long checks share with the tests: the small book, the site and the browser."""

from tests.conftest import browser, open_page, site, site_url
from tests.test_build import built_book, pristine, small_book

__all__ = ["browser", "built_book", "open_page", "pristine", "site", "site_url", "small_book"]
