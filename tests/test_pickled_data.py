"""Pickles are read as data: nothing that they name is looked up, nothing is called."""

from __future__ import annotations

import datetime
import pickle

import numpy as np
import pytest

from scenesearch.evaluation.public.pickled_data import PickledDataError, read_pickled_data

VALUE = {
    "names": ["a", "b", "ü"],
    "numbers": (1, -2, 2**40, 2**80, 0.5, True, False, None),
    "empty": [[], {}, ()],
    "pair": {"x": [1, {"y": (1, 2, 3, 4)}]},
    "bytes": b"\x00\xff",
}


def same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("protocol", range(1, 6))
def test_plain_values_are_what_was_written(protocol):
    assert same(read_pickled_data(pickle.dumps(VALUE, protocol)), VALUE)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int64),
        np.arange(6, dtype="<i4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([], np.int64),
        np.array([True, False]),
        np.arange(4, dtype=">f8"),
        np.float64(1.5),
    ],
    ids=str,
)
def test_arrays_of_numbers_are_what_was_written(array, protocol):
    found = read_pickled_data(pickle.dumps([array, array], protocol))

    assert np.array_equal(found[0], array)
    assert np.array_equal(found[1], array)


class Calls:
    def __repr__(self):  # the same name of a test in every process
        return "Calls()"

    def __reduce__(self):
        return print, ("called",)


@pytest.mark.parametrize(
    "value",
    [
        Calls(),
        {"gnd": [Calls()]},
        print,
        datetime.date(2020, 1, 1),
        np.array([Calls()], object),
        np.array(["text"]),
        np.dtype("O"),
        {1, 2},
        1j,
    ],
    ids=repr,
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_anything_else_is_refused_and_nothing_is_called(value, protocol, capsys):
    data = pickle.dumps(value, protocol)

    with pytest.raises(PickledDataError):
        read_pickled_data(data)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_half_a_pickle_is_refused(cut):
    data = pickle.dumps(VALUE, 3)

    with pytest.raises(PickledDataError):
        read_pickled_data(data[:-cut])


@pytest.mark.parametrize("data", [b"", b"text", b"\x80\x04.", b"\x80\x03]q\x00(", b"(((((.", b"."])
def test_what_is_no_pickle_is_refused(data):
    with pytest.raises(PickledDataError):
        read_pickled_data(data)


def test_lists_that_hold_each_other_many_times_are_refused():
    value = ["x"] * 10
    for _ in range(15):
        value = [value] * 10

    with pytest.raises(PickledDataError, match="many times"):
        read_pickled_data(pickle.dumps(value, 3))
