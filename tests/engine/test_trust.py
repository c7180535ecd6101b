"""How far n-grams are believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.evaluation.tasks import Task
from engine.infill.loaded import LoadedModel
from engine.infill.ngram_cache import NgramCache
from engine.training.trust import START, fit_trust

LINE = "    frobnicate_the_widget = fetch_widget(frobnicator)\n"


def test_a_repository_that_says_what_comes_is_believed_more_than_one_that_does_not(model: LoadedModel) -> None:
    tasks = [
        Task(str(cut), "", "line", f"def run():\n{LINE[:cut]}", LINE[cut:-1], "\n    return 1\n")
        for cut in (10, 16, 20)
    ]
    trusts = []
    for text in (LINE, LINE.replace("frobnicate", "fetch").replace("fetch_widget", "frobnicate")):
        repository = NgramCache(np.array(model.tokens.encode("def run():\n" + text)), START, least=3)
        shape = replace(model.shape, ngram_trust=START)
        knowing = LoadedModel(model.network, model.tokens, shape, model.settings, "knowing", repository)
        trusts.append(fit_trust(knowing, tasks)[0])
    (right, _), (wrong, _) = trusts
    assert right.bias > wrong.bias
