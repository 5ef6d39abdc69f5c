from hypothesis import given
from hypothesis import strategies as st

from crypto import (
    Context,
    DataKey,
    Secret,
    Signer,
    TokenPurpose,
    is_token,
    open_note,
    open_with_secret,
    parse_key_string,
    seal_with_secret,
)
from domain.errors import BadInput, ChainBroken

KEY, SECRET = DataKey(bytes(range(32))), Secret(bytes(range(32)))
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
contexts = st.builds(Context, words, words, words, st.integers(1, 2**32 - 1))


@given(contexts, contexts)
def test_two_contexts_share_an_encoding_only_when_they_are_one(one, other):
    assert (one.encode() == other.encode()) == (one == other)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])), contexts)
def test_any_text_under_any_label_and_context_comes_back(text, label, context):
    assert KEY.open_text(KEY.seal_text(text, label, context), label, context) == text


@given(st.binary(), words, st.binary())
def test_any_data_under_any_label_comes_back(data, label, aad):
    assert open_with_secret(SECRET, seal_with_secret(SECRET, data, label, aad), label, aad) == data


@given(contexts, st.integers(57, 1 << 24))
def test_any_key_string_says_what_was_put_in(context, segment_size):
    found = parse_key_string(KEY.key_string(context, segment_size))
    assert (found.key.reveal(), found.aad, found.segment_size) == (KEY.reveal(), context.encode(), segment_size)


@given(st.one_of(st.text(), st.text().map("bilaga-key-1.".__add__)))
def test_no_text_breaks_the_reader_of_key_strings(text):
    try:
        parse_key_string(text)
    except BadInput:
        return
    raise AssertionError("a key string made by chance")


@given(st.sampled_from(list(TokenPurpose)), st.text())
def test_no_text_breaks_the_pattern_of_tokens(purpose, text):
    assert not is_token(purpose, text)


SIGNER = Signer("vault.example/audit", SECRET)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]))))
def test_any_lines_of_text_come_back_out_of_a_note(lines):
    text = "\n".join([*lines, ""]) or "\n"
    assert open_note(SIGNER.sign_note(text), SIGNER.public_key_text) == text


@given(st.one_of(st.text(), st.text().map(lambda text: f"{text}\n\n— {SIGNER.name} {text}\n")))
def test_no_text_breaks_the_reader_of_notes(text):
    try:
        open_note(text, SIGNER.public_key_text)
    except ChainBroken:
        return
    raise AssertionError("a note signed by chance")
