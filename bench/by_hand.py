"""The library's segments: the values of their recipes, and for each the query that a person would write on DuckDB.

`{m6}` is the local midnight six months ago, `{d30}` thirty days ago, `{now}` now, as TIMESTAMP literals.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TypeAlias

from synthetic import NOW, ZONE

from engine.compute.bounds import Calendar
from engine.language.tree import Unit

Given: TypeAlias = Mapping[str, object]
TRAITS = ("favourite_category", "favourite_brand", "favourite_colour", "rfm_r", "rfm_f", "rfm_m", "lead_score")
PLACES = {"lyon": (45.76, 4.84)}
SUMMER = {"spring": "TIMESTAMP '2025-03-30 01:00:00'", "autumn": "TIMESTAMP '2025-10-26 01:00:00'"}


def boundaries() -> dict[str, str]:
    """Every instant that the queries name."""
    calendar = Calendar(NOW, ZONE)

    def ago(n: int, unit: Unit) -> str:
        return _stamp(calendar.midnight(calendar.shift(calendar.today, -n, unit)))

    days = {f"d{n}": ago(n, Unit.DAY) for n in (-30, 0, 6, 7, 13, 14, 24, 25, 30, 40, 90)}
    months = {f"m{n}": ago(n, Unit.MONTH) for n in (1, 2, 3, 4, 5, 6, 12, 18)}
    day_after = {f"m{n}_end": _stamp(calendar.midnight(_next_day(calendar, n))) for n in (3, 6)}
    firsts = {
        f"first{n}": _stamp(calendar.midnight(calendar.shift(date(2026, 1, 1), -n, Unit.MONTH))) for n in range(7)
    }
    clock = {"now": _stamp(calendar.instant), "h24": "TIMESTAMP '2026-01-14 12:00:00'"}
    others = {"m60": "TIMESTAMP '2026-01-15 11:00:00'", "y5": ago(5, Unit.YEAR), **SUMMER}
    return {**days, **months, **day_after, **firsts, **clock, **others}


def _next_day(calendar: Calendar, months: int) -> date:
    return calendar.shift(calendar.shift(calendar.today, -months, Unit.MONTH), 1, Unit.DAY)


def _stamp(instant: datetime) -> str:
    return f"TIMESTAMP '{instant:%Y-%m-%d %H:%M:%S}'"


def _people(where: str) -> str:
    return f"SELECT customer_id FROM customers WHERE {where}"


def _grouped(table: str, having: str, where: str = "TRUE") -> str:
    return f"SELECT customer_id FROM {table} WHERE {where} GROUP BY customer_id HAVING {having}"


def _some(table: str, where: str) -> str:
    return f"SELECT DISTINCT customer_id FROM {table} WHERE {where}"


def _local(instant: str) -> str:
    """The Paris time of what happened in the last twelve months, with one summer in them."""
    return f"{instant} + CASE WHEN {instant} >= {{spring}} AND {instant} < {{autumn}} THEN INTERVAL 2 HOUR ELSE INTERVAL 1 HOUR END"


_MONTH_DAY = "month(ordered_at + INTERVAL 1 HOUR) * 100 + day(ordered_at + INTERVAL 1 HOUR)"  # of winters in Paris
_BOUGHT = "is_purchase AND ordered_at <= {now}"
_RECENT = "is_purchase AND ordered_at >= {m12} AND ordered_at <= {now}"
_RFM = f"""WITH t AS (SELECT customer_id, max(ordered_at) r, count(*) f, sum(total) m FROM orders WHERE {_BOUGHT} GROUP BY customer_id),
ranked AS (SELECT customer_id, ceil(5.0 * count(*) OVER (ORDER BY r) / count(*) OVER ()) r,
ceil(5.0 * count(*) OVER (ORDER BY f) / count(*) OVER ()) f, ceil(5.0 * count(*) OVER (ORDER BY m) / count(*) OVER ()) m FROM t)
SELECT customer_id FROM ranked WHERE """


def _favourite(column: str, value: str) -> str:
    return (
        f"WITH g AS (SELECT customer_id, lower({column}) k, min({column}) v, count(*) n, max(ordered_at) t FROM order_lines"
        f" WHERE {_RECENT} AND {column} IS NOT NULL GROUP BY ALL), b AS (SELECT * FROM g"
        " QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY n DESC, t DESC, k) = 1)"
        f" SELECT customer_id FROM b WHERE lower(v) = '{value}'"
    )


_REACHABLE = (
    "email IS NOT NULL AND consent_email = 'subscribed' AND consent_email_basis = 'consent'"
    " AND customer_id NOT IN (SELECT customer_id FROM email_events WHERE kind = 'bounce' AND hard)"
    " AND customer_id NOT IN (SELECT customer_id FROM email_events WHERE kind = 'complaint')"
)
_MAILED = "happened_at <= {now} AND happened_at >= "
_READ = "kind IN ('open', 'click') AND NOT coalesce(is_machine, FALSE) AND " + _MAILED
_SINCE_30 = "customer_id IN (SELECT customer_id FROM email_events WHERE " + _READ + "{d30})"
_BIRTHDAY = "month(birth_date) * 100 + day(birth_date) BETWEEN "
_BUCKET = "('0x' || left(md5('bench:' || customer_id), 8))::BIGINT * 100 / 4294967296.0"
_PRICE = "is_purchase AND ordered_at >= {m12} AND ordered_at <= {now} AND price IS NOT NULL"

SEGMENTS: dict[str, tuple[Given, str]] = {
    "age_band": ({}, _people("date_diff('year', birth_date, DATE '2026-01-15') - (month(birth_date) * 100 + day(birth_date) > 115)::INT BETWEEN 25 AND 34")),
    "gender_is": ({}, _people("gender = 'female'")),
    "income_from": ({}, _people("income >= 45000")),
    "students": ({}, _people("lower(occupation) = 'student'")),
    "occupation_in": ({"occupations": ["employee", "retired"]}, _people("lower(occupation) IN ('employee', 'retired')")),
    "education_in": ({"levels": ["master"]}, _people("lower(education) = 'master'")),
    "household_in": ({"households": ["couple", "family"]}, _people("lower(household) IN ('couple', 'family')")),
    "business_customers": ({}, _people("company_size BETWEEN 50 AND 249")),
    "business_sector": ({"sectors": ["retail"]}, _people("lower(company_sector) = 'retail'")),
    "in_cities": ({"cities": ["Paris", "Lyon"]}, _people("lower(city) IN ('paris', 'lyon')")),
    "in_regions": ({"regions": ["Corse"]}, _people("lower(region) = 'corse'")),
    "in_countries": ({"countries": ["FR", "BE"]}, _people("lower(country) IN ('fr', 'be')")),
    "postcode_starting": ({"prefix": "69"}, _people("starts_with(lower(postcode), '69')")),
    "climate_in": ({"zones": ["oceanic"]}, _people("lower(climate_zone) = 'oceanic'")),
    "density_is": ({"density": "urban"}, _people("lower(density) = 'urban'")),
    "speaks": ({"languages": ["fr"]}, _people("lower(language) = 'fr'")),
    "in_timezone": ({"timezone": "Europe/Paris"}, _people("lower(timezone) = 'europe/paris'")),
    "near_store": ({"place": "lyon"}, _people("2 * 6371 * asin(sqrt(sin((radians(lat) - radians(45.76)) / 2) ** 2 + cos(radians(lat)) * cos(radians(45.76)) * sin((radians(lon) - radians(4.84)) / 2) ** 2)) <= 15")),
    "bought_product": ({"product": "p000007"}, _some("order_lines", _BOUGHT + " AND product_id = 'p000007'")),
    "bought_product_lately": ({"product": "p000007"}, _some("order_lines", _BOUGHT + " AND ordered_at >= {m3} AND product_id = 'p000007'")),
    "bought_category": ({"category": "category 3"}, _grouped("order_lines", "sum(quantity) >= 1", _RECENT + " AND lower(category) = 'category 3'")),
    "bought_category_ever": ({"category": "category 3", "items": 4}, _grouped("order_lines", "sum(quantity) >= 4", _BOUGHT + " AND lower(category) = 'category 3'")),
    "bought_brand": ({"brand": "Brand 5"}, _grouped("order_lines", "sum(quantity) >= 1", _RECENT + " AND lower(brand) = 'brand 5'")),
    "bought_brand_ever": ({"brand": "Brand 5"}, _grouped("order_lines", "sum(quantity) >= 1", _BOUGHT + " AND lower(brand) = 'brand 5'")),
    "loyal_items": ({}, _grouped("order_lines", "sum(quantity) >= 6", _BOUGHT + " AND ordered_at >= {m6}")),
    "brand_fans": ({"brand": "Brand 5"}, _grouped("order_lines", "count(*) > 1", _BOUGHT + " AND lower(brand) = 'brand 5'") + " UNION " + _grouped("email_events", "count(*) >= 3", "kind = 'click' AND NOT coalesce(is_machine, FALSE) AND lower(brand) = 'brand 5' AND " + _MAILED + "{m6}")),
    "big_basket": ({}, _grouped("orders", "avg(total) >= 80", _RECENT)),
    "frequent_buyers": ({}, _grouped("orders", "count(*) >= 4", _RECENT)),
    "big_spenders": ({}, _grouped("orders", "sum(total) >= 500", _RECENT)),
    "top_spenders": ({}, f"WITH t AS (SELECT customer_id, sum(total) s FROM orders WHERE {_RECENT} GROUP BY customer_id) SELECT customer_id FROM t QUALIFY (rank() OVER (ORDER BY s DESC) - 1) * 100 < 10 * count(*) OVER ()"),
    "monthly_buyers": ({}, _grouped("orders", "count(DISTINCT CASE WHEN ordered_at < {first5} THEN 0 WHEN ordered_at < {first4} THEN 1 WHEN ordered_at < {first3} THEN 2 WHEN ordered_at < {first2} THEN 3 WHEN ordered_at < {first1} THEN 4 WHEN ordered_at < {first0} THEN 5 ELSE 6 END) >= 4", _BOUGHT + " AND ordered_at >= {m6}")),
    "short_gaps": ({}, _grouped("orders", "count(*) >= 3 AND date_diff('second', min(ordered_at), max(ordered_at)) <= 45 * 86400 * (count(*) - 1)", _BOUGHT)),
    "spending_more": ({}, "WITH t AS (SELECT customer_id, coalesce(sum(total) FILTER (ordered_at >= {m6}), 0) a, coalesce(sum(total) FILTER (ordered_at < {m6_end}), 0) b, count(*) FILTER (ordered_at < {m6_end}) n FROM orders WHERE " + _RECENT + " GROUP BY customer_id) SELECT customer_id FROM t WHERE a > 1.5 * b AND n > 0"),
    "favourite_is": ({"category": "category 3"}, _favourite("category", "category 3")),
    "favourite_brand_is": ({"brand": "Brand 5"}, _favourite("brand", "brand 5")),
    "favourite_colour_is": ({"colour": "colour 3"}, _favourite("colour", "colour 3")),
    "champions": ({}, _RFM + "r >= 4 AND f >= 4 AND m >= 4"),
    "rfm_loyal": ({}, _RFM + "r >= 3 AND f >= 4"),
    "rfm_potential": ({}, _RFM + "r >= 4 AND f = 3"),
    "rfm_promising": ({}, _RFM + "r >= 4 AND f <= 2"),
    "rfm_need_attention": ({}, _RFM + "r = 3 AND f = 3"),
    "rfm_about_to_sleep": ({}, _RFM + "r = 3 AND f <= 2"),
    "cannot_lose": ({}, _RFM + "r <= 2 AND f >= 4"),
    "rfm_at_risk": ({}, _RFM + "r <= 2 AND f = 3"),
    "rfm_hibernating": ({}, _RFM + "r <= 2 AND f <= 2"),
    "lifecycle_new": ({}, _grouped("orders", "count(*) = 1 AND min(ordered_at) >= {d30}", _BOUGHT)),
    "lifecycle_regular": ({}, _grouped("orders", "count(*) >= 4 AND max(ordered_at) >= {m3}", _RECENT)),
    "lifecycle_active": ({}, _some("orders", _BOUGHT + " AND ordered_at >= {m3}")),
    "lifecycle_at_risk": ({}, _some("orders", "is_purchase AND ordered_at >= {m6} AND ordered_at < {m3_end}")),
    "lifecycle_inactive": ({}, _grouped("orders", "max(ordered_at) < {m6} AND max(ordered_at) >= {m18}", _BOUGHT)),
    "lifecycle_lost": ({}, _grouped("orders", "max(ordered_at) < {m18}", _BOUGHT)),
    "prospects": ({}, _people(f"customer_id NOT IN (SELECT customer_id FROM orders WHERE {_BOUGHT})")),
    "abandoned_cart": ({}, "WITH a AS (SELECT customer_id, max(happened_at) t FROM cart_adds WHERE happened_at >= {h24} AND happened_at <= {m60} GROUP BY 1), b AS (SELECT customer_id, max(ordered_at) t FROM orders WHERE " + _BOUGHT + " GROUP BY 1) SELECT a.customer_id FROM a LEFT JOIN b USING (customer_id) WHERE b.t IS NULL OR b.t < a.t"),
    "viewed_not_bought": ({}, "WITH a AS (SELECT customer_id, product_id, max(happened_at) t FROM views WHERE happened_at >= {d7} AND happened_at <= {now} AND product_id IS NOT NULL GROUP BY 1, 2) SELECT DISTINCT a.customer_id FROM a WHERE NOT EXISTS (SELECT 1 FROM order_lines b WHERE b.is_purchase AND b.ordered_at <= {now} AND b.customer_id = a.customer_id AND b.product_id = a.product_id AND b.ordered_at >= a.t)"),
    "category_viewed_not_bought": ({"category": "category 3", "days": 90}, _grouped("views", "count(*) >= 2", "lower(category) = 'category 3' AND happened_at >= {d90} AND happened_at <= {now}") + " EXCEPT " + _some("order_lines", _BOUGHT + " AND ordered_at >= {d90} AND lower(category) = 'category 3'")),
    "browsing_category": ({"category": "category 3"}, _grouped("views", "count(*) >= 3", "lower(category) = 'category 3' AND happened_at >= {d30} AND happened_at <= {now}")),
    "viewed_product": ({"product": "p000007", "times": 1, "days": 90}, _some("views", "product_id = 'p000007' AND happened_at >= {d90} AND happened_at <= {now}")),
    "viewed_page": ({"part": "/sale/"}, _grouped("views", "count(*) >= 2", "contains(url, '/sale/') AND happened_at >= {d30} AND happened_at <= {now}")),
    "downloaded": ({}, _some("views", "kind = 'download' AND happened_at >= {d90} AND happened_at <= {now}")),
    "inactive_buyers": ({}, _grouped("orders", "max(ordered_at) < {m6}", _BOUGHT)),
    "inactive_readers": ({}, _some("email_events", "kind = 'send' AND " + _MAILED + "{m6}") + " AND customer_id NOT IN (SELECT customer_id FROM email_events WHERE " + _READ + "{m6})"),
    "engaged": ({}, _people(_REACHABLE + " AND (" + _SINCE_30 + " OR consent_email_at >= {d30} AND consent_email_at <= {now})")),
    "engaged_readers": ({}, _people(_REACHABLE + " AND " + _SINCE_30)),
    "new_subscribers": ({}, _people("consent_email = 'subscribed' AND consent_email_at >= {d30} AND consent_email_at <= {now}")),
    "unhappy_readers": ({}, _people("consent_email = 'unsubscribed' OR customer_id IN (SELECT customer_id FROM email_events WHERE happened_at <= {now} AND (kind = 'complaint' OR kind = 'bounce' AND hard))")),
    "birthday_soon": ({}, _people(_BIRTHDAY + "115 AND 121")),
    "birthday_month": ({}, _people("month(birth_date) = 1")),
    "acquired_from": ({"sources": ["google", "facebook"]}, _people("lower(utm_source) IN ('google', 'facebook')")),
    "acquired_by_campaign": ({"campaign": "sale"}, _people("contains(lower(utm_campaign), 'sale')")),
    "first_bought_from": ({"channel": "app"}, _grouped("orders", "lower(arg_min(channel, (ordered_at, -row_id))) = 'app'", _BOUGHT)),
    "interested_in": ({"interests": ["yoga", "trail"]}, _some("customer_lists", "list = 'interests' AND lower(value) IN ('yoga', 'trail')")),
    "holds_values": ({"values": ["organic", "local"]}, _some("customer_lists", "list = 'values' AND lower(value) IN ('organic', 'local')")),
    "wants_content": ({"kinds": ["art", "yoga"]}, _some("customer_lists", "list = 'pref_content' AND lower(value) IN ('art', 'yoga')")),
    "declares_any": ({"list": "interests", "answers": ["art"]}, _some("customer_lists", "list = 'interests' AND lower(value) = 'art'")),
    "declares": ({"question": "education", "answers": ["bachelor", "school"]}, _people("lower(education) IN ('bachelor', 'school')")),
    "prefers_frequency": ({"frequency": "weekly"}, _people("lower(pref_frequency) = 'weekly'")),
    "cross_sell": ({"product": "p000007", "category": "category 4"}, _grouped("order_lines", "count(*) FILTER (product_id = 'p000007') > 0 AND count(*) FILTER (lower(category) = 'category 4') = 0", _BOUGHT)),
    "no_complement": ({"product": "p000007"}, _grouped("order_lines", "count(*) FILTER (complements = 'p000007') > 0 AND count(*) FILTER (product_id = 'p000007') = 0", _BOUGHT)),
    "upsell": ({"product": "p000007", "better": "p000008"}, _grouped("order_lines", "count(*) FILTER (product_id = 'p000007') > 0 AND count(*) FILTER (product_id = 'p000008') = 0", _BOUGHT)),
    "no_upgrade": ({"product": "p000007"}, _grouped("order_lines", "count(*) FILTER (product_id = 'p000007') > 0 AND count(*) FILTER (upgrade_of = 'p000007') = 0", _BOUGHT)),
    "loyalty_tiers": ({"tiers": ["gold"], "points": 100}, _people("lower(loyalty_tier) = 'gold' AND loyalty_points >= 100")),
    "points_expiring": ({}, _people("loyalty_points >= 1 AND loyalty_points_expire_at >= {now} AND loyalty_points_expire_at < {d-30}")),
    "hot_prospects": ({}, "WITH c AS (SELECT customer_id, count(*) n FROM email_events WHERE kind = 'click' AND NOT coalesce(is_machine, FALSE) AND " + _MAILED + "{d30} GROUP BY 1), a AS (SELECT DISTINCT customer_id FROM cart_adds WHERE happened_at >= {d7} AND happened_at <= {now}), v AS (SELECT customer_id, count(*) n FROM views WHERE happened_at >= {d7} AND happened_at <= {now} GROUP BY 1) SELECT p.customer_id FROM customers p LEFT JOIN c USING (customer_id) LEFT JOIN a ON a.customer_id = p.customer_id LEFT JOIN v ON v.customer_id = p.customer_id WHERE 10 * coalesce(c.n, 0) + CASE WHEN a.customer_id IS NOT NULL THEN 20 ELSE 0 END + CASE WHEN p.company_size >= 50 THEN 15 ELSE 0 END + 5 * coalesce(v.n, 0) >= 50"),
    "never_discount": ({}, _grouped("orders", "count(*) FILTER (discount > 0) = 0", _BOUGHT)),
    "never_code": ({}, _grouped("orders", "count(coupon) = 0", _BOUGHT)),
    "discount_only": ({}, _grouped("orders", "count(*) >= 3 AND count(*) FILTER (discount > 0) / count(*) >= 0.8", _BOUGHT)),
    "code_only": ({}, _grouped("orders", "count(*) >= 2 AND count(coupon) = count(*)", _BOUGHT)),
    "lapsed_discount": ({}, _grouped("orders", "count(*) FILTER (discount > 0) > 0 AND max(ordered_at) < {m6}", _BOUGHT)),
    "after_purchase": ({}, _grouped("orders", "max(ordered_at) >= {d14} AND max(ordered_at) < {d13}", _BOUGHT)),
    "after_product": ({"product": "p000007"}, _grouped("order_lines", "max(ordered_at) >= {d14} AND max(ordered_at) < {d13}", _BOUGHT + " AND product_id = 'p000007'")),
    "after_delivery": ({}, _grouped("orders", "max(delivered_at) >= {d7} AND max(delivered_at) < {d6}", _BOUGHT)),
    "after_product_delivery": ({"product": "p000007"}, _grouped("order_lines", "max(delivered_at) >= {d7} AND max(delivered_at) < {d6}", _BOUGHT + " AND product_id = 'p000007'")),
    "refill": ({"product": "p000007"}, _grouped("order_lines", "max(ordered_at) >= {d40} AND max(ordered_at) < {d24}", _BOUGHT + " AND product_id = 'p000007'")),
    "holdout": ({"salt": "bench"}, _people(f"{_BUCKET} < 10")),
    "split": ({"salt": "bench"}, _people(f"{_BUCKET} < 50")),
    "price_band": ({}, _grouped("order_lines", "sum(price) >= 0 AND sum(price) < 50 * count(*)", _PRICE)),
    "bought_between": ({"from": date(2025, 3, 1), "to": date(2025, 3, 31)}, _some("orders", "is_purchase AND ordered_at >= TIMESTAMP '2025-02-28 23:00:00' AND ordered_at < TIMESTAMP '2025-03-31 22:00:00'")),
    "evening_buyers": ({}, _grouped("orders", f"count(*) FILTER (hour({_local('ordered_at')}) BETWEEN 18 AND 22) / count(*) >= 0.5", _RECENT)),
    "weekend_buyers": ({}, _grouped("orders", f"count(*) FILTER (isodow({_local('ordered_at')}) >= 6) / count(*) >= 0.5", _RECENT)),
    "morning_readers": ({}, _grouped("email_events", f"count(*) FILTER (hour({_local('happened_at')}) BETWEEN 6 AND 9) / count(*) >= 0.5", "kind = 'open' AND NOT coalesce(is_machine, FALSE) AND " + _MAILED + "{m6}")),
    "season_buyers": ({}, _grouped("orders", "count(DISTINCT year(ordered_at + INTERVAL 1 HOUR)) >= 2", _BOUGHT + " AND ordered_at >= {y5} AND " + _MONTH_DAY + " BETWEEN 1120 AND 1224")),
    "season_only": ({"from": "11-01", "to": "03-20"}, _grouped("orders", "count(*) FILTER (" + _MONTH_DAY + " BETWEEN 321 AND 1031) = 0 AND count(*) FILTER (ordered_at >= TIMESTAMP '2024-10-31 23:00:00' AND ordered_at < TIMESTAMP '2025-03-20 23:00:00') > 0", _BOUGHT)),
    "season_lapsed": ({}, _grouped("orders", "count(*) FILTER (" + _MONTH_DAY + " BETWEEN 107 AND 203) > 0 AND count(*) FILTER (ordered_at >= TIMESTAMP '2025-01-06 23:00:00' AND ordered_at < TIMESTAMP '2025-02-03 23:00:00') = 0", _BOUGHT)),
    "missing_first_name": ({}, _people("first_name IS NULL")),
    "missing_birth_date": ({}, _people("birth_date IS NULL")),
    "missing_gender": ({}, _people("gender IS NULL")),
    "missing_city": ({}, _people("city IS NULL")),
    "missing_postcode": ({}, _people("postcode IS NULL")),
    "missing_phone": ({}, _people("phone IS NULL")),
    "missing_fact": ({"fact": "region"}, _people("region IS NULL")),
}  # fmt: skip


def queries() -> dict[str, str]:
    """One query a segment, by the segment's name."""
    known = boundaries()
    return {segment: query.format(**known) for segment, (_, query) in SEGMENTS.items()}
