# Upstream: none
# Downstream: none
# Role: The pure core, with its glossary
"""The core: values (`model`) and verbs (`services`). Standard library, pyarrow and numpy only.

Glossary, one word each:

bar
    Open, high, low, close, volume and amount of a code over a day or some minutes.
code
    A security, qualified by its exchange: ``000001.SZ``. (A *symbol* is the bare number in a vendor's file.)
session
    A trading day of the exchange, as a date.
trading calendar
    Which days are sessions, when they close, and up to which day that is known (the *horizon*).
frequency, adjustment, series
    Length of a bar; price adjustment (none, qfq, hfq); the two together.
adjustment factor
    Cumulative factor of dividends and splits (``adjustfactor`` on the wire).
coverage
    Sessions due − sessions held − absences explained.
answer
    What a vendor's reply proves: rows, a proven emptiness, or nothing (unknown).
delivery, redelivery
    A record of a command topic as it was handed to a worker, and handed again.
offset, consumer group
    Kafka's words: a record's number in its partition; workers that share partitions.
dead letter
    A command given up, kept with its bytes so that it can be replayed.
work item
    What is left of a command, kept for a later round.
round
    What a worker does between two intakes: coalesce, cover, plan, fetch, validate, write, assess, commit.
second opinion
    What another source says of a few bars that a job has stored.
heartbeat
    A worker's sign of life, which vouches for progress.
version
    The microsecond (store's clock) at which a row's request was sent: the greater one wins.
"""
