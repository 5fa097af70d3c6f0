//! Calculating, and reading the web.

use super::tasks::{Task, one, task, turn};
use serde_json::json;

pub(crate) fn calculations() -> Vec<Task> {
    let sum = |name, expression: &str, expects| {
        one(name, "Work that out", "math_evaluate", json!({ "expression": expression }), expects)
    };
    vec![
        sum("a sum", "0.1 + 0.2", "0.3"),
        sum("feet", "3 feet in cm", "91.44"),
        sum("a share", "12.5% of 80", "10"),
        sum("a power", "2^64", "18446744073709551616"),
        sum("a speed", "60 mph * 2.5 hours in km", "241.4"),
        sum("a fraction", "1/3 + 1/6 to fraction", "1/2"),
        sum("factorials", "5! / 3!", "20"),
        sum("a litre", "2 litres in ml", "2000"),
        one("now", "What time is it?", "time_now", json!({}), "Europe/Oslo"),
        one("now elsewhere", "And in Tokyo?", "time_now", json!({ "zone": "Asia/Tokyo" }), "Asia/Tokyo"),
        one(
            "a call",
            "9 in New York is?",
            "time_convert",
            json!({ "time": "2026-07-01T09:00", "from": "America/New_York", "to": "Europe/Oslo" }),
            "15:00",
        ),
        one(
            "a flight",
            "Landing?",
            "time_convert",
            json!({ "time": "2026-07-01T09:00Z", "to": "Asia/Kathmandu" }),
            "14:45",
        ),
        task(
            "two sums at once",
            vec![turn(
                "Both please",
                vec![vec![("math_evaluate", json!({ "expression": "6*7" })), ("time_now", json!({ "zone": "UTC" }))]],
                "UTC",
                0,
            )],
        ),
        task(
            "a zone that is wrong first",
            vec![turn(
                "In Oslo?",
                vec![
                    vec![("time_now", json!({ "zone": "Oslo" }))],
                    vec![("time_now", json!({ "zone": "Europe/Oslo" }))],
                ],
                "Europe/Oslo",
                0,
            )],
        ),
        task(
            "arguments that do not fit first",
            vec![turn(
                "Add",
                vec![
                    vec![("math_evaluate", json!({ "sum": "1+1" }))],
                    vec![("math_evaluate", json!({ "expression": "1+1" }))],
                ],
                "2",
                0,
            )],
        ),
        task(
            "a tool that does not exist first",
            vec![turn(
                "Add",
                vec![
                    vec![("calculator", json!({ "e": "1+1" }))],
                    vec![("math_evaluate", json!({ "expression": "20+3" }))],
                ],
                "23",
                0,
            )],
        ),
    ]
}

pub(crate) fn reading() -> Vec<Task> {
    let fetch = |url: &str| ("fetch_page", json!({ "url": url }));
    let search = |words: &str| ("web_search", json!({ "query": words }));
    vec![
        one(
            "a page",
            "Sum up https://news.example/today",
            "fetch_page",
            json!({ "url": "https://news.example/today" }),
            "harbour",
        ),
        one(
            "a page without a scheme",
            "Sum up news.example/today",
            "fetch_page",
            json!({ "url": "https://news.example/today" }),
            "harbour",
        ),
        one(
            "a page of its own choice",
            "What is the weather in Oslo?",
            "fetch_page",
            json!({ "url": "https://weather.example/oslo" }),
            "rain",
        ),
        one(
            "a page that is gone",
            "Read https://news.example/gone",
            "fetch_page",
            json!({ "url": "https://news.example/gone" }),
            "404",
        ),
        one(
            "a page as it is",
            "The source of https://news.example/today",
            "fetch_page",
            json!({ "url": "https://news.example/today", "raw": true }),
            "<a",
        ),
        one(
            "a part of a page",
            "More of https://news.example/today",
            "fetch_page",
            json!({ "url": "https://news.example/today", "offset": 3 }),
            "harbour",
        ),
        one(
            "a redirect",
            "Read https://short.example/n",
            "fetch_page",
            json!({ "url": "https://short.example/n" }),
            "harbour",
        ),
        one("a search", "Find harbours", "web_search", json!({ "query": "harbours" }), "found.example"),
        one(
            "a search with fewer results",
            "Find one harbour",
            "web_search",
            json!({ "query": "harbour", "count": 1 }),
            "found.example",
        ),
        task(
            "a search and its result",
            vec![turn(
                "Find harbours and read the first",
                vec![vec![search("harbours")], vec![fetch("https://found.example/harbours")]],
                "quay",
                0,
            )],
        ),
        task(
            "a search and two results at once",
            vec![turn(
                "Compare",
                vec![
                    vec![search("harbours")],
                    vec![fetch("https://found.example/harbours"), fetch("https://found.example/quays")],
                ],
                "quay",
                0,
            )],
        ),
        task(
            "two searches",
            vec![turn("Both", vec![vec![search("harbours")], vec![search("quays")]], "found.example", 0)],
        ),
        task(
            "a link on a page",
            vec![turn(
                "Read https://news.example/today and what it links to",
                vec![vec![fetch("https://news.example/today")], vec![fetch("https://news.example/harbour")]],
                "ferries",
                0,
            )],
        ),
        task(
            "a link of a link",
            vec![turn(
                "Follow https://news.example/today to the end",
                vec![
                    vec![fetch("https://news.example/today")],
                    vec![fetch("https://news.example/harbour")],
                    vec![fetch("https://found.example/quays")],
                ],
                "quay",
                0,
            )],
        ),
        task(
            "a page, then a sum",
            vec![turn(
                "Count the words of https://news.example/today twice",
                vec![
                    vec![fetch("https://news.example/today")],
                    vec![("math_evaluate", json!({ "expression": "6*2" }))],
                ],
                "12",
                0,
            )],
        ),
        task(
            "a page, then another that the person names",
            vec![
                turn("Read https://news.example/today", vec![vec![fetch("https://news.example/today")]], "harbour", 0),
                turn("Now https://weather.example/oslo", vec![vec![fetch("https://weather.example/oslo")]], "rain", 0),
            ],
        ),
        task(
            "a link in the next turn",
            vec![
                turn("Read https://news.example/today", vec![vec![fetch("https://news.example/today")]], "harbour", 0),
                turn("Read the link in it", vec![vec![fetch("https://news.example/harbour")]], "ferries", 0),
            ],
        ),
        task(
            "a search after a page",
            vec![turn(
                "Read https://news.example/today and find more",
                vec![vec![fetch("https://news.example/today")], vec![search("harbour ferries")]],
                "found.example",
                0,
            )],
        ),
        task(
            "two pages at once",
            vec![turn(
                "Compare https://news.example/today and https://weather.example/oslo",
                vec![vec![fetch("https://news.example/today"), fetch("https://weather.example/oslo")]],
                "rain",
                0,
            )],
        ),
        task(
            "a search in the next turn",
            vec![
                turn("Find harbours", vec![vec![search("harbours")]], "found.example", 0),
                turn("Read the second", vec![vec![fetch("https://found.example/quays")]], "quay", 0),
            ],
        ),
        // What reads and asks all the same: an address that nobody wrote, after private or foreign content.
        task(
            "an address of its own after a page",
            vec![turn(
                "Read https://news.example/today, then the weather",
                vec![vec![fetch("https://news.example/today")], vec![fetch("https://weather.example/oslo")]],
                "rain",
                1,
            )],
        ),
        task(
            "an address of its own after memory",
            vec![turn(
                "The weather where I live",
                vec![vec![("memory_read", json!({ "key": "home" }))], vec![fetch("https://weather.example/oslo")]],
                "rain",
                1,
            )],
        ),
    ]
}
