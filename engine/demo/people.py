"""What the example shop's data lacks, generated: people, their consent, and what they do on the web site.

Every choice is a function of the seed and an id (`u`, `pick` of shop.py), so that two machines build the same shop.
"""

from __future__ import annotations

from engine.tables import Database, text

_WOMEN = (
    "Mary Patricia Linda Barbara Susan Jessica Karen Sarah Nancy Lisa Sandra Ashley Emily Michelle Carol Amanda Melissa Deborah"
    " Rebecca Laura Claire Camille Élodie Sophie Léa Chloé Manon Inès Margaux Juliette Sofia Isabella Valentina Lucía Mei Priya"
)
_MEN = (
    "James Robert John Michael David William Richard Joseph Thomas Christopher Daniel Matthew Anthony Mark Steven Paul Andrew"
    " Joshua Kenneth Kevin Julien Mathieu Étienne Rémi Luc Hugo Antoine Gaël Théo Bastien Diego Mateo Carlos Luis Wei Arjun"
)
_FAMILIES = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson Taylor"
    " Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright"
    " Lefèvre Moreau Dubois Girard Fournier Lambert Rousseau Mercier Chen Nguyen Patel Kim O'Brien Kowalski Rossi Bernard"
)
_PLACES = (
    ("Brooklyn", "11201"), ("Brooklyn", "11215"), ("Queens", "11375"), ("Queens", "11101"), ("Bronx", "10458"),
    ("New York", "10025"), ("New York", "10003"), ("Staten Island", "10301"), ("Yonkers", "10701"), ("White Plains", "10601"),
)  # fmt: skip
_TERMS = (
    "coffee",
    "gluten free",
    "birthday cake",
    "diapers",
    "cat food",
    "salmon",
    "organic milk",
    "wine",
    "tortilla",
    "vitamins",
    "ice cream",
    "flowers",
)
_INTERESTS = ("cooking", "family", "organic", "pets", "wine", "garden", "fitness")
_AGES = {"19-24": (19, 24), "25-34": (25, 34), "35-44": (35, 44), "45-54": (45, 54), "55-64": (55, 64), "65+": (65, 88)}
_INCOMES = {
    "Under 15K": 0, "15-24K": 15, "25-34K": 25, "35-49K": 35, "50-74K": 50, "75-99K": 75, "100-124K": 100, "125-149K": 125,
    "150-174K": 150, "175-199K": 175, "200-249K": 200, "250K+": 250,
}  # fmt: skip
_NO_ADDRESS = {"42": "not known", "77": "bob.example.com", "1313": "ann@@example.com"}


def populate(database: Database) -> None:
    """Make `people`: one row a household, with what is known of it and what is generated."""
    low, high = ({band: ages[side] for band, ages in _AGES.items()} for side in (0, 1))
    band = f"coalesce(d.age, pick({_listed(tuple(_AGES))}, 'band:' || h))"
    database.execute(
        "CREATE TABLE people AS WITH households AS (SELECT household_id AS h, min(sold_at) AS first_at, sum(sales) AS spent FROM sold GROUP BY 1),"
        f" known AS (SELECT s.*, d.* EXCLUDE (household_id, age), u('sex:' || h) < 0.62 AS is_woman, {_case(band, low)} AS low,"
        f" {_case(band, high)} AS high FROM households s LEFT JOIN real_demographics d ON s.h = d.household_id)"
        f" SELECT *, CASE WHEN is_woman THEN pick({_words(_WOMEN)}, 'name:' || h) ELSE pick({_words(_MEN)}, 'name:' || h) END AS first_name,"
        f" pick({_words(_FAMILIES)}, 'family:' || h) AS last_name, pick({_pairs()}, 'place:' || h) AS place,"
        # someone of 35 on 2018-01-01 was born after 1982-01-01 and not after 1983-01-01
        " CASE WHEN h = 208 THEN DATE '1976-02-29' ELSE make_date(2018 - low, 1, 1) - floor(u('birth:' || h) * 365 * (high - low + 1))::INTEGER"
        " END AS birth_date, first_at - to_days(20 + floor(u('joined:' || h) * 500)::INTEGER) AS created_at FROM known"
    )


def sign_up(database: Database) -> None:
    """Make `customers` from `people`: addresses, consent in its four states, loyalty, and the rows that are wrong on purpose."""
    wrong = " ".join(f"WHEN {household} THEN {text(address)}" for household, address in _NO_ADDRESS.items())
    columns = (
        "customer_id, email, first_name, last_name, gender, birth_date, language, city, region, postcode, country, income, household,"
        " home_ownership, marital_status, kids, created_at, loyalty_tier, loyalty_points, utm_source, consent_email, consent_email_at,"
        " consent_email_source, consent_email_basis"
    )
    database.execute(
        "CREATE TABLE consents AS SELECT h, u('consent:' || h) AS c, u('late:' || h) AS late,"
        " least(first_at, TIMESTAMP '2017-12-01') + to_days(floor(u('when:' || h) * 20)::INTEGER) AS asked_at FROM people;"
        "CREATE TABLE signed AS SELECT h, CASE WHEN c < 0.70 THEN 'subscribed' WHEN c < 0.75 THEN 'pending' WHEN c < 0.87 THEN 'unsubscribed'"
        " ELSE 'never' END AS state, CASE WHEN late < 0.06 THEN TIMESTAMP '2017-12-05' + to_hours(floor(late * 10000)::INTEGER) ELSE asked_at END AS at_1,"
        " CASE WHEN c < 0.58 THEN 'consent' WHEN c < 0.70 THEN 'existing_customer' WHEN c < 0.87 THEN 'consent' END AS basis FROM consents"
    )
    _change_minds(database)
    database.execute(
        f"CREATE TABLE customers AS SELECT h::VARCHAR AS customer_id, CASE h {wrong} ELSE lower(strip_accents(replace(first_name || '.' || last_name, '''', '')))"
        " || '.' || h || '@example.com' END AS email, first_name, last_name, CASE WHEN is_woman THEN 'female' ELSE 'male' END AS gender,"
        " birth_date::VARCHAR AS birth_date, pick(['en', 'en', 'en', 'en', 'fr', 'es'], 'lang:' || h) AS language, place[1] AS city, 'NY' AS region,"
        f" place[2] AS postcode, 'US' AS country, {_case('income', {band: 1000 * amount for band, amount in _INCOMES.items()})} AS income,"
        " household_comp AS household, home_ownership, marital_status, kids_count AS kids, strftime(created_at, '%Y-%m-%dT%H:%M:%SZ') AS created_at,"
        " CASE WHEN spent > 4000 THEN 'gold' WHEN spent > 1500 THEN 'silver' ELSE 'classic' END AS loyalty_tier,"
        " floor(spent)::INTEGER AS loyalty_points, pick(['store', 'store', 'google', 'facebook', 'instagram', 'friend'], 'utm:' || h) AS utm_source,"
        " state AS consent_email, CASE WHEN state <> 'never' THEN strftime(at_1, '%Y-%m-%dT%H:%M:%SZ') END AS consent_email_at,"
        " CASE WHEN state <> 'never' THEN pick(['checkout', 'till', 'website'], 'source:' || h) END AS consent_email_source,"
        " basis AS consent_email_basis FROM people JOIN signed USING (h);"
        # the same person twice, an impossible birthday, no id, an id twice
        f"INSERT INTO customers BY NAME SELECT * REPLACE ('90208' AS customer_id, upper(email) AS email, '2017-03-01T12:00:00Z' AS created_at,"
        " 'subscribed' AS consent_email) FROM customers WHERE customer_id = '208';"
        f"INSERT INTO customers ({columns}) SELECT * REPLACE ('90001' AS customer_id, 'ghost.90001@example.com' AS email, '1980-02-31' AS birth_date)"
        " FROM customers WHERE customer_id = '1';"
        f"INSERT INTO customers ({columns}) SELECT * REPLACE (NULL AS customer_id, 'ghost.90002@example.com' AS email) FROM customers WHERE customer_id = '2';"
        f"INSERT INTO customers ({columns}) SELECT * REPLACE ('Old entry' AS last_name) FROM customers WHERE customer_id = '3'"
    )


def _change_minds(database: Database) -> None:
    """After round one (generated): a third of those pending confirm, a few join, a few leave at the shop."""
    database.execute(
        "UPDATE signed SET state = 'subscribed', basis = 'consent', at_1 = TIMESTAMP '2018-01-02 09:00:00' + to_minutes(h)"
        " FROM clock WHERE until > TIMESTAMP '2018-01-03 23:00:00' AND (state = 'pending' AND u('confirm:' || h) < 0.35 OR state = 'never' AND u('join:' || h) < 0.04);"
        "UPDATE signed SET state = 'unsubscribed', at_1 = TIMESTAMP '2018-01-02 18:00:00' + to_minutes(h // 10)"
        " FROM clock WHERE until > TIMESTAMP '2018-01-03 23:00:00' AND state = 'subscribed' AND u('leave:' || h) < 0.004"
    )


def browse(database: Database) -> None:
    """Make carts, views, searches, sessions and interests around the baskets, some of them leading nowhere."""
    database.execute(
        # one in twelve baskets was prepared on the web site
        "CREATE TABLE visits AS SELECT order_id, customer_id, ordered_at - to_minutes(20 + floor(u('visit:' || order_id) * 300)::INTEGER) AS at_1,"
        " TRUE AS bought FROM orders WHERE u('web:' || order_id) < 0.08;"
        # an idle visit leads nowhere; at the end of the period people are surprised by the end of the day
        "CREATE TABLE idle AS SELECT 'idle' || h || ':' || n AS order_id, h::VARCHAR AS customer_id, n, TIMESTAMP '2017-01-15' + to_minutes(floor("
        " (u('idle:' || h || ':' || n) ** 0.5) * 350 * 1440)::INTEGER) AS at_1 FROM people, range(3) r(n) WHERE u('idler:' || h || ':' || n) < 0.6;"
        "CREATE TABLE last_minute AS SELECT 'late' || day || ':' || h AS order_id, h::VARCHAR AS customer_id, day - to_minutes(30 + floor(u('late:' || day || h) * 660)::INTEGER) AS at_1"
        " FROM people, clock, (VALUES (TIMESTAMP '2017-12-31 23:30:00'), (TIMESTAMP '2018-01-03 23:30:00')) d(day)"
        " WHERE u('abandon:' || day || h) < 0.035 AND day <= until;"
        "INSERT INTO visits SELECT order_id, customer_id, at_1, FALSE FROM (SELECT order_id, customer_id, at_1 FROM idle UNION ALL FROM last_minute)"
        " WHERE at_1 < (SELECT until FROM clock)"
    )
    _look(database)
    devices = "pick(['mobile', 'mobile', 'mobile', 'desktop', 'desktop', 'tablet'], 'device:' || customer_id)"
    database.execute(
        f"CREATE TABLE sessions AS SELECT customer_id, at_1 AS happened_at, 40 + floor(u('stay:' || order_id) * 1500)::INTEGER AS duration_s, {devices} AS device,"
        " CASE WHEN device = 'desktop' THEN pick(['Windows', 'macOS'], 'os:' || customer_id) ELSE pick(['iOS', 'Android'], 'os:' || customer_id) END AS os,"
        " pick(['Chrome', 'Safari', 'Firefox'], 'browser:' || customer_id) AS browser FROM visits;"
        f"CREATE TABLE searches AS SELECT customer_id, pick({_listed(_TERMS)}, 'term:' || order_id) AS term, strftime(at_1 + INTERVAL 1 MINUTE, '%Y-%m-%dT%H:%M:%SZ') AS happened_at"
        " FROM visits WHERE u('search:' || order_id) < 0.3;"
        "INSERT INTO searches VALUES ('guest-1', 'wine', '2017-12-20T10:00:00Z'), ('guest-2', 'coffee', '2017-12-21T10:00:00Z'), ('208', 'coffee', 'yesterday');"
        f"CREATE TABLE customer_lists AS SELECT h::VARCHAR AS customer_id, 'interests' AS list, i AS value FROM people, (SELECT unnest({_listed(_INTERESTS)}) AS i)"
        " WHERE u('interest:' || h || i) < 0.12"
    )


def _look(database: Database) -> None:
    """Views and cart adds of each visit: of what the basket holds, or of what the household bought before."""
    database.execute(
        "CREATE TABLE wished AS SELECT v.*, product_id, row_number() OVER (PARTITION BY v.order_id ORDER BY u(v.order_id || product_id), product_id) AS n"
        " FROM visits v JOIN order_lines l USING (order_id) WHERE v.bought;"
        "CREATE TABLE favourites AS SELECT household_id::VARCHAR AS customer_id, product_id::VARCHAR AS product_id,"
        " row_number() OVER (PARTITION BY household_id ORDER BY count(*) DESC, u(household_id || ':' || product_id), product_id) AS rank"
        " FROM sold WHERE product_id NOT IN (FROM fuel) AND quantity > 0 GROUP BY household_id, product_id QUALIFY rank <= 12;"
        # an idle visit looks at things that the household never bought: its favourites' neighbours on the shelf
        "CREATE TABLE neighbours AS SELECT product_id, lead(product_id) OVER (PARTITION BY category ORDER BY product_id) AS next FROM products;"
        "INSERT INTO wished SELECT v.*, coalesce(k.next, f.product_id), 1 + (f.rank - 1) % 4 FROM visits v JOIN favourites f ON v.customer_id = f.customer_id"
        " AND f.rank BETWEEN 1 + floor(u('taste:' || v.order_id) * 8) AND 4 + floor(u('taste:' || v.order_id) * 8)"
        " LEFT JOIN neighbours k ON f.product_id = k.product_id WHERE NOT v.bought;"
        "CREATE TABLE views AS SELECT customer_id, at_1 + to_seconds(70 * n) AS happened_at, product_id, 'product' AS kind,"
        " 'https://shop.example.com/p/' || product_id AS url FROM wished WHERE n <= 6;"
        "CREATE TABLE cart_adds AS SELECT customer_id, at_1 + to_seconds(70 * n + 30) AS happened_at, product_id, 1 AS quantity,"
        " order_id AS cart_id, 'https://shop.example.com/cart/' || md5(order_id) AS cart_url"
        " FROM wished WHERE n <= 3 AND (bought OR starts_with(order_id, 'late') OR u('cart:' || order_id) < 0.5)"
    )


def _words(words: str) -> str:
    return _listed(tuple(words.split()))


def _listed(words: tuple[str, ...]) -> str:
    return "[" + ", ".join(text(word) for word in words) + "]"


def _pairs() -> str:
    return "[" + ", ".join(_listed(pair) for pair in _PLACES) + "]"


def _case(value: str, words: dict[str, int]) -> str:
    return f"CASE {value} " + " ".join(f"WHEN {text(word)} THEN {number}" for word, number in words.items()) + " END"
