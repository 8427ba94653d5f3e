"""What the reader makes of a question."""

import pytest

from mini_o3.policies.reader.question import Kind, Lead, asks_for_text, understand


@pytest.mark.parametrize(
    ("question", "kind", "anchors"),
    [
        ("What does the sign say?", Kind.WORDS, ()),
        ("Where is EXIT?", Kind.PLACE, ("EXIT",)),
        ("Which shelf has Rimor and what does it cost?", Kind.PRICE, ("Rimor",)),
        ("What is the plate of the blue car?", Kind.PLATE, ()),
        ("What is the phone number on the van of Smith & Sons?", Kind.PHONE, ("Smith", "Sons")),
        ("When does the \u201cMuseum of Bread\u201d open?", Kind.DATE, ("Museum of Bread",)),
        ("Which product costs 28.99?", Kind.NAME, ("28.99",)),
        ("What does the tag of Kalen say it costs?", Kind.PRICE, ("Kalen",)),
        ("What is the reading of LATHE 5 in the third row from the top?", Kind.NUMBER, ("LATHE 5",)),
        ("What is the web address of Fritz Bakery?", Kind.ADDRESS, ("Fritz Bakery",)),
        ("Is there a sign that says 'NO ENTRY'?", Kind.PRESENCE, ("NO ENTRY",)),
        ("What colour is the lamp of ROTOR 5?", Kind.OTHER, ("ROTOR 5",)),
    ],
)
def test_kind_and_names(question, kind, anchors):
    wanted = understand(question)
    assert (wanted.kind, wanted.anchors) == (kind, anchors)


def test_colours_rows_sides_and_directions():
    wanted = understand("Which word stands above the red car on the second road from the top at the left?")
    assert (wanted.colours, wanted.row, wanted.sides, wanted.above) == (("red",), 1, ("left",), True)
    assert understand("What is written below 'OPEN' on the gray door?").below
    assert understand("What is written on the gray door?").colours == ("grey",)
    assert understand("Which shelf has Rimor?").asks_row == "shelf"


def test_a_question_that_leads_from_one_text_to_another():
    led = understand("How much does the product cost whose name is on the blue note?")
    assert (led.lead, led.kind, led.colours) == (Lead("blue", "note", False), Kind.PRICE, ())
    led = understand(
        "The white board shows a number. What is the name of the one in the grey shirt who wears it?"
    )
    assert (led.lead, led.kind, led.colours) == (Lead("white", "board", True), Kind.NAME, ("grey",))
    assert understand("What is on the blue board?").lead is None


def test_options_are_no_part_of_the_question():
    wanted = understand("What does the sign say?\nA. STOP\nB. NO ENTRY")
    assert (wanted.options, wanted.anchors) == ((("A", "STOP"), ("B", "NO ENTRY")), ())


@pytest.mark.parametrize(
    ("question", "is_text"),
    [
        ("What does the sign say?", True),
        ("Where is EXIT?", True),
        ("How much is the bread?", True),
        ("Where is the cat?", False),
        ("What colour is the car?", False),
    ],
)
def test_questions_about_something_written(question, is_text):
    assert asks_for_text(question) == is_text
