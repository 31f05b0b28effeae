"""The shop, asked as a customer asks it."""

from __future__ import annotations

import http.client
import threading
import unittest

from shop import __version__
from shop.catalogue import price
from shop.pages import Shop
from shop.server import Server
from shop.settings import Settings, load


class SettingsTest(unittest.TestCase):
    def test_defaults_need_no_environment(self) -> None:
        """Nothing set is a working shop."""
        self.assertEqual(load({}), Settings())

    def test_a_number_that_is_none_stops_the_start(self) -> None:
        """A wrong setting is found before the first customer."""
        with self.assertRaises(ValueError):
            load({"MAX_ITEMS": "many"})


class PagesTest(unittest.TestCase):
    def test_prices_have_two_decimals(self) -> None:
        """Cents never show as 1.5."""
        self.assertEqual([price(5), price(150), price(12345)], ["0.05", "1.50", "123.45"])

    def test_the_front_page_greets_and_lists(self) -> None:
        """Greeting first, at most `max_items` items."""
        lines = Shop(Settings(greeting="Moin", max_items=2)).answer("/").text.splitlines()
        self.assertEqual(lines, ["Moin, this is the shop.", "tea 3.20", "coffee 4.10"])

    def test_stock_needs_the_key(self) -> None:
        """Without a key in the settings nobody gets in, not even with an empty one."""
        self.assertEqual(Shop(Settings()).answer("/stock", "Bearer ").status, 401)
        shop = Shop(Settings(api_key="k"))
        self.assertEqual(shop.answer("/stock", "Bearer x").status, 401)
        self.assertEqual(shop.answer("/stock", "Bearer k").status, 200)


class ServerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server(Shop(Settings(port=0)))
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def get(self, path: str) -> tuple[int, str, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=5)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.getheader("X-Shop-Version")

    def test_every_answer_names_the_version(self) -> None:
        """The router's users can see who answered."""
        for path in ("/", "/healthz", "/metrics", "/nowhere"):
            self.assertEqual(self.get(path)[2], __version__)

    def test_customers_are_counted_and_machines_are_not(self) -> None:
        """Health checks and scrapes don't dilute the errors."""
        for path in ("/", "/", "/nowhere", "/healthz"):
            self.get(path)
        text = self.get("/metrics")[1]
        self.assertIn('shop_requests_total{status="200"} 2', text)
        self.assertIn('shop_requests_total{status="404"} 1', text)
        self.assertIn('shop_request_seconds_bucket{le="+Inf"} 3', text)
        self.assertIn("shop_request_seconds_count 3", text)


if __name__ == "__main__":
    unittest.main()
