"""The file's own n-grams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.infill.ngram_cache import BREAK, ORDER, NgramCache, Trust

TRUST = Trust(bias=-2.0, slope=0.5, full_order_bias=0.0)


def test_followers_are_what_came_behind_earlier_occurrences():
    cache = NgramCache([1, 2, 3, 1, 2, 4, 9, 2, 5], TRUST)
    one, two = (following.tolist() for _, following in cache.followers([1, 2]))
    assert sorted(one) == [3, 4, 5]
    assert sorted(two) == [3, 4]


def test_nothing_follows_across_a_break():
    cache = NgramCache([7, BREAK, 8], TRUST)
    assert cache.followers([7]) == []


def test_an_n_gram_that_always_goes_on_alike_weighs_more():
    sure, torn = NgramCache([1, 2, 1, 2, 1, 2], TRUST), NgramCache([1, 2, 1, 3, 1, 4], TRUST)
    assert sure.followers([1])[0][0] > torn.followers([1])[0][0]


def test_a_seen_continuation_gains_and_the_others_lose():
    cache = NgramCache([1, 2, 3], TRUST)
    assert cache.mixture([1, 2]).of(3, 0.1) > 0.1 > cache.mixture([1, 2]).of(4, 0.1)
    assert cache.mixture([5]).of(3, 0.1) == 0.1


ids = st.lists(st.integers(0, 5), min_size=1, max_size=40)


@given(file=ids, history=ids)
def test_the_mixture_is_a_distribution_in_which_longer_n_grams_weigh_against_shorter_ones(file, history):
    cache = NgramCache(file, TRUST)
    mixed = model = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
    for weight, following in cache.followers(history):
        mixed = (1 - weight) * mixed + weight * np.bincount(following, minlength=6) / len(following)
    assert mixed.sum() == pytest.approx(1.0)
    mixture = cache.mixture(history)
    assert [mixture.of(i, float(p)) for i, p in enumerate(model)] == pytest.approx(mixed.tolist())


@given(file=st.lists(st.integers(-1, 5), max_size=40), history=ids, least=st.integers(1, 3))
def test_followers_agree_with_a_plain_search(file, history, least):
    found = [following.tolist() for _, following in NgramCache(file, TRUST, least).followers(history)]
    for order in range(least, min(ORDER, len(history)) + 1):
        key = history[-order:]
        starts = [i for i in range(len(file) - order) if file[i : i + order] == key]
        expected = [file[i + order] for i in starts if file[i + order] != BREAK]
        assert sorted(found[order - least]) == sorted(expected) if order < least + len(found) else not expected


def test_the_repository_is_mixed_in_before_the_file():
    repository = NgramCache([1, 2, 3, 4, 9], TRUST, least=3)
    file = NgramCache([1, 2, 3, 5], TRUST, below=repository)
    alone = NgramCache([1, 2, 3, 5], TRUST)
    of_four = [cache.mixture([1, 2, 3]).of(4, 0.1) for cache in (alone, file, repository)]
    assert of_four == sorted(set(of_four))
    assert file.mixture([3]).of(5, 0.1) == alone.mixture([3]).of(5, 0.1)
