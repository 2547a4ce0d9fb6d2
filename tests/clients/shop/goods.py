"""Generated but realistic data: the same for the same seed."""

import random
from decimal import Decimal

from . import model

FIRST = "Amara Bjorn Chiara Daiki Elif Fatima Goran Hana Ines Jamal Kenji Leila Mateo Nadia Olof Priya Quentin Rosa Sven Tomoko".split()
LAST = "Almeida Bakker Costa Dubois Eriksen Fischer Garcia Haddad Ito Jensen Kowalski Lopez Mori Novak Okafor Petrov Rossi Sato Tanaka Weber".split()
CITIES = "Boston Dublin Osaka Lisbon Toronto Nagoya Galway Austin Kyoto Cork".split()
CATEGORIES = {
    "kitchen": ["kettle", "pan", "knife", "grater", "toaster"],
    "garden": ["spade", "hose", "rake", "planter", "lantern"],
    "office": ["notebook", "lamp", "stapler", "chair", "shelf"],
    "sport": ["ball", "racket", "helmet", "mat", "rope"],
}
SUPPLIERS = ["Northwind", "Tailspin", "Fabrikam"]


class Goods:
    """The customers and products of one shop."""

    def __init__(self, seed, customers, regions, stock_per_region):
        chance = random.Random(seed)
        self.customers = [f"{number:04d}" for number in range(customers)]
        self.prices = {}
        self.stock_per_region = stock_per_region
        self.items = []
        for identifier in self.customers:
            first, last = chance.choice(FIRST), chance.choice(LAST)
            email = f"{first}.{last}.{identifier}@example.com".lower()
            self.items.append(model.customer(identifier, f"{first} {last}", email, chance.choice(CITIES)))
        for category, things in CATEGORIES.items():
            for thing in things:
                identifier = f"{category}-{thing}"
                self.prices[identifier] = Decimal(chance.randrange(199, 19999)) / 100
                self.items.append(
                    model.product(identifier, f"{category.title()} {thing}", category, chance.choice(SUPPLIERS), self.prices[identifier])
                )
                self.items += [model.stock(identifier, region, stock_per_region) for region in regions]
