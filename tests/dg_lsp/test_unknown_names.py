"""Names that an answer reads although nothing in sight defines them: how many count."""

from __future__ import annotations

import pytest

from dg_lsp.completion.filters import Place
from dg_lsp.completion.unknown_names import unknown_names
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.builtin_names import BUILTIN_NAMES
from dg_lsp.syntax.holes import Hole
from dg_lsp.syntax.languages import LANGUAGES


def count(language: str, text: str, *seen: str) -> float:
    """Of the text between the marks."""
    before, middle, after = text.replace("⟧", "⟦").split("⟦")
    snapshot = Snapshot("file:///a", language, 1, before + after)
    hole = Hole(kind="cursor", start=len(before), end=len(before), label="", single_line=False)
    around = window(snapshot, hole)
    return unknown_names(middle, Place(snapshot, hole, around.prefix, around.suffix), seen)


PYTHON = {
    "a parameter": ("def f(width):\n    return ⟦width⟧\n", 0),
    "a name from nowhere": ("def f(width):\n    return ⟦width * height⟧\n", 1),
    "two of them, one twice": ("x = ⟦a + a + b⟧\n", 2),
    "a builtin": ("x = ⟦sorted(len(y) for y in [])⟧\n", 0),
    "an import that is missing": ("x = ⟦json.dumps(1)⟧\n", 1),
    "an import": ("import json\nx = ⟦json.dumps(1)⟧\n", 0),
    "defined below": ("x = ⟦helper()⟧\n\n\ndef helper():\n    pass\n", 0),
    "attributes and keywords": ("import a\nx = ⟦a.b.c(d=1, e=2).f⟧\n", 0),
    "bound by the answer": ("def f(a):\n    ⟦b, (c, *d) = a\n    return b + c + d⟧\n", 0),
    "bound by a loop": ("def f(a):\n    ⟦for i, (k, v) in a:\n        print(i, k, v)⟧\n", 0),
    "bound by with and except": (
        """def f():
    ⟦try:
        with open(1) as h:
            h.read()
    except OSError as e:
        raise e⟧
""",
        0,
    ),
    "bound by a comprehension, a lambda and a walrus": (
        "x = ⟦[a for a in range(3) if (b := a)] + list(map(lambda c, d=1, *e: c + d, b))⟧\n",
        0,
    ),
    "a default value is read": ("f = ⟦lambda c=gone: c⟧\n", 1),
    "a function of its own": ("⟦def g(p: int, *q, r=1, **s):\n    return p, q, r, s\n\n\nx = g⟧\n", 0),
    "an item is set, no name": ("def f(a):\n    ⟦a[gone] = 1⟧\n", 1),
    "a match": ("def f(a):\n    ⟦match a:\n        case [b, c]:\n            return b + c⟧\n", 0),
    "the rest of a name": ("width = 1\nx = wi⟦dth⟧\n", 0),
    "the rest of another name": ("width = 1\nx = wi⟦ndow⟧\n", 1),
    "strings and comments": ("x = ⟦'gone'  # gone, too⟧\n", 0),
    "an f-string": ("x = ⟦f'{gone}'⟧\n", 1),
    "an own attribute": ("class A:\n    b = 1\n\n    def f(self):\n        return ⟦self.b⟧\n", 0),
    "one that the class does not have": (
        "class B:\n    b = 1\n\n\nclass A:\n    def f(self):\n        return ⟦self.b⟧\n",
        0.5,
    ),
    "one that the answer sets": (
        "class A:\n    def f(self):\n        ⟦self.b = 1\n        return self.b⟧\n",
        0,
    ),
}


@pytest.mark.parametrize(("text", "expected"), PYTHON.values(), ids=PYTHON)
def test_python(text: str, expected: float) -> None:
    assert count("python", text) == expected


OTHERS = {
    "javascript": (
        "function f(a) {\n  ⟦const { b, c: d } = a;\n  for (const e of b) console.log(e, d, ...a, gone);⟧\n}\n",
        1,
    ),
    "javascript closures": ("const x = ⟦(a, { b }, [c]) => a + b + c + Math.max(1)⟧;\n", 0),
    "javascript objects": ("const a = 1;\nconst x = ⟦{ a, b: 1, gone }⟧;\n", 1),
    "javascript own": ("class A {\n  f() {\n    return ⟦this.b⟧;\n  }\n}\n", 0.5),
    "typescript": (
        """function f(a: string) {
  ⟦const m: Map<string, Gone> = new Map();
  try {} catch (e) { throw e; }
  return m as Partial<A>;⟧
}
type A = {};
""",
        1,
    ),
    "typescriptreact": ("const x = (a: A) => ⟦<div className={a}>{gone}</div>⟧;\n", 1),
    "go": (
        """package a

import "fmt"

func f(xs []int) error {
	⟦for i, x := range xs {
		if err := g(x); err != nil {
			return fmt.Errorf("%d %w", i, err)
		}
	}
	var n int
	_ = Point{X: n}
	return nil⟧
}

type Point struct{ X int }
""",
        1,
    ),
    "go without an import": ('package a\n\nfunc f() string {\n\t⟦return strings.ToUpper("a")⟧\n}\n', 1),
    "rust": (
        """struct P { x: i32 }
fn f(v: Vec<P>) -> Option<i32> {
    ⟦let mut n = 0;
    for p in v.iter() { n += p.x; }
    if let Some(q) = v.first() { n += q.x; }
    v.iter().map(|r| r.x).max();
    println!("{}", n);
    match n { 0 => None, m => Some(m + gone) }⟧
}
""",
        1,
    ),
    "rust without a use": ("fn f() {\n    ⟦let m = HashMap::new();⟧\n}\n", 1),
    "java": (
        """class A {
  int f(int[] xs) {
    ⟦int n = 0;
    for (int x : xs) { n += Math.abs(x); }
    java.util.function.Function<Integer, Integer> g = y -> y + 1;
    return n + gone;⟧
  }
}
""",
        1,
    ),
    "c": (
        """int f(struct point *p, int count) {
    ⟦int *xs = malloc(count * sizeof(int)), n = 0;
    for (int i = 0; i < count; i++) n += xs[i] + p->x;
    return n + gone;⟧
}
""",
        1,
    ),
    "cpp": (
        """#include <vector>
int f(const std::vector<int>& xs) {
    ⟦int n = 0;
    for (const auto& x : xs) n += x;
    auto g = [&](int y) { return y; };
    return std::max(n, g(gone));⟧
}
""",
        1,
    ),
}


@pytest.mark.parametrize(("text", "expected"), OTHERS.values(), ids=OTHERS)
def test_other_languages(request: pytest.FixtureRequest, text: str, expected: float) -> None:
    language = request.node.callspec.id.split(" ")[0]
    assert count(language, text) == expected


def test_what_the_model_saw_elsewhere_is_known() -> None:
    assert count("python", "x = ⟦area(1)⟧\n", "def area(width):\n    return width\n") == 0
    assert count("python", "x = ⟦area(1)⟧\n", "def area_of(width):\n    return width\n") == 1


@pytest.mark.parametrize(("language", "text"), [("ruby", "x = ⟦gone⟧"), ("markdown", "A ⟦word⟧ here.")])
def test_without_a_grammar_every_name_is_known(language: str, text: str) -> None:
    assert count(language, text) == 0


def test_every_language_with_a_grammar_has_its_builtin_names() -> None:
    assert set(BUILTIN_NAMES) == set(LANGUAGES)
