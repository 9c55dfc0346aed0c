"""Makes orders.csv and ledger.csv: two years of an invented coffee roastery that sells through sixteen shops.

Run it in any directory. The same files come out every time and on every Python, byte for byte.
"""

import csv
import datetime
import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIRST_DAY = datetime.date(2023, 1, 1)
LAST_DAY = datetime.date(2024, 12, 31)

# shop: how much it orders, compared with the others
SHOPS = {
    "North": {"Hamburg": 1.50, "Bremen": 0.90, "Kiel": 0.70, "Rostock": 0.50},
    "South": {"Munich": 1.60, "Stuttgart": 1.10, "Freiburg": 0.75, "Augsburg": 0.55},
    "East": {"Berlin": 1.80, "Leipzig": 1.00, "Dresden": 0.85, "Potsdam": 0.45},
    "West": {"Cologne": 1.40, "Essen": 0.80, "Bonn": 0.70, "Aachen": 0.50},
}
# product: price of a kilogram in euros at the start, share of the orders
PRODUCTS = {
    "House blend": (14.50, 0.36),
    "Espresso": (16.90, 0.30),
    "Single origin": (22.40, 0.16),
    "Decaf": (17.80, 0.10),
    "Cold brew": (19.50, 0.08),
}
PRICE_RISE = {2023: 1.00, 2024: 1.04}
# January to December: a quiet summer, a strong run-up to Christmas
SEASON = [0.88, 0.90, 0.97, 0.98, 0.95, 0.90, 0.80, 0.84, 1.02, 1.10, 1.28, 1.38]
# Monday to Sunday: shops order for the week to come, few of them at the weekend
WEEK = [1.45, 1.25, 1.10, 1.05, 1.20, 0.60, 0.35]
ORDERS_PER_DAY = 2.55
GROWTH_PER_YEAR = 0.14
# the two years differ from region to region
TREND = {"North": 0.02, "South": 0.07, "East": 0.12, "West": -0.05}
# what the bookkeeper typed wrongly into the ledger: two digits changed places
SLIP = ("2024-09", 2)


def orders(rng):
    """Yield the rows of orders.csv, day by day."""
    number = 10001
    day = FIRST_DAY
    while day <= LAST_DAY:
        years = (day - FIRST_DAY).days / 365.25
        level = SEASON[day.month - 1] * WEEK[day.weekday()] * (1 + GROWTH_PER_YEAR * years)
        weights = {(region, shop): weight * (1 + TREND[region] * years)
                   for region, shops in SHOPS.items() for shop, weight in shops.items()}
        for _ in range(round(ORDERS_PER_DAY * level + rng.uniform(-1.4, 1.4))):
            region, shop = pick(rng, weights)
            product = pick(rng, {name: share * taste(name, day) for name, (_, share) in PRODUCTS.items()})
            price = round(PRODUCTS[product][0] * PRICE_RISE[day.year], 2)
            kilograms = max(2, round(SHOPS[region][shop] * 11 * rng.triangular(0.35, 2.2, 0.9)))
            yield number, day.isoformat(), region, shop, product, kilograms, f"{price:.2f}"
            number += 1
        day += datetime.timedelta(days=1)


def taste(product, day):
    """Return by how much more the product is asked for on that day than on average."""
    if product == "Cold brew":
        return 2.6 if 5 <= day.month <= 8 else 0.45
    return 1.0


def pick(rng, weights):
    """Return one of the keys, each with its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def ledger(rows):
    """Yield the rows of ledger.csv, which holds one month with a slip of the pen."""
    months = defaultdict(Decimal)
    for _, day, _, _, _, kilograms, price in rows:
        months[day[:7]] += kilograms * Decimal(price)
    for month, revenue in months.items():
        text = f"{revenue:.2f}"
        if month == SLIP[0]:
            at = SLIP[1]
            text = text[:at] + text[at + 1] + text[at] + text[at + 2:]
        yield month, text


def write(name, header, rows):
    """Write one file, with the line ends that git expects."""
    with open(HERE / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    all_orders = list(orders(random.Random(20230101)))
    write("orders.csv", ["order", "date", "region", "shop", "product", "kilograms", "price_eur"], all_orders)
    write("ledger.csv", ["month", "revenue_eur"], ledger(all_orders))
