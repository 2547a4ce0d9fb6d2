"""PynamoDB with two indexes: a catalogue that one region fills, and that others read and change by
its indexes.

Usage: python -m applications.catalogue ENDPOINT CONTROL BERINGIA"""

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute, VersionAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection, LocalSecondaryIndex
from pynamodb.models import Model

from .regions import ENDPOINT, IRELAND, REGIONS, TOKYO, VIRGINIA, converge, replicate, same_everywhere

TABLE = "catalogue"


def book_of(region_name):
    """The model of a region: a PynamoDB model belongs to one region, so each has its own."""

    class ByPublisher(GlobalSecondaryIndex):
        class Meta:
            index_name = "publisher"
            projection = AllProjection()

        publisher = UnicodeAttribute(hash_key=True)
        cents = NumberAttribute(range_key=True)

    class ByYear(LocalSecondaryIndex):
        class Meta:
            index_name = "year"
            projection = KeysOnlyProjection()

        author = UnicodeAttribute(hash_key=True)
        year = NumberAttribute(range_key=True)

    class Book(Model):
        class Meta:
            table_name = TABLE
            host = ENDPOINT
            region = region_name
            billing_mode = "PAY_PER_REQUEST"

        author = UnicodeAttribute(hash_key=True)
        title = UnicodeAttribute(range_key=True)
        publisher = UnicodeAttribute(null=True)
        cents = NumberAttribute(null=True)
        year = NumberAttribute(null=True)
        words = UnicodeSetAttribute(null=True)
        chapters = ListAttribute(null=True)
        version = VersionAttribute()
        by_publisher = ByPublisher()
        by_year = ByYear()

    return Book


def titles(found):
    return [book.title for book in found]


def main():
    books = {region: book_of(region) for region in REGIONS}
    home = books[VIRGINIA]
    home.create_table(wait=True)
    replicate(TABLE)
    with home.batch_write() as batch:
        for number in range(60):
            batch.save(home(
                f"author {number % 5}", f"title {number:02d}", publisher=f"house {number % 3}", cents=1000 - number, year=1950 + number % 7,
                words={"x", str(number)}, chapters=[{"name": "🌉", "pages": number}, None],
            ))
    converge()
    for region in (IRELAND, TOKYO):
        book = books[region]
        assert titles(book.by_publisher.query("house 2")) == [f"title {number:02d}" for number in range(59, 1, -3)]
        assert titles(book.by_year.query("author 1", book.year == 1951)) == ["title 01", "title 36"]
        assert book.get("author 4", "title 34").chapters == [{"name": "🌉", "pages": 34}, None]
    # Ireland moves books between the keys of both indexes, Tokyo deletes some and takes others out
    # of the indexes. A batch gives no version; saving gives the first one.
    for found in list(books[IRELAND].by_publisher.query("house 0", books[IRELAND].cents > 970)):
        found.publisher, found.year = "house 9", found.year + 100
        found.save()
    for found in list(books[TOKYO].by_publisher.query("house 1", limit=5)):
        found.delete()
    for found in list(books[TOKYO].by_publisher.query("house 1", limit=4)):
        found.update(actions=[books[TOKYO].publisher.remove(), books[TOKYO].year.remove()])
    converge()
    for region, book in books.items():
        moved = list(book.by_publisher.query("house 9"))
        assert titles(moved) == [f"title {number:02d}" for number in range(27, -1, -3)] and {found.version for found in moved} == {1}, (region, titles(moved))
        assert book.by_publisher.count("house 0") == 10 and book.by_publisher.count("house 1") == 11, region
        assert titles(book.by_year.query("author 0", book.year > 2000)) == ["title 00", "title 15"], region
    sizes = same_everywhere(TABLE)
    assert sizes == {"catalogue": 55, "publisher": 51, "year": 51}, sizes
    print("the same in every region:", sizes)


if __name__ == "__main__":
    main()
