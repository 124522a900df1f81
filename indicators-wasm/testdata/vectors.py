#!/usr/bin/env python3
"""Writes vectors.json: expected values of the built-in indicators.

An oracle that shares nothing with the Go code: 60-digit decimals, windows
summed anew on every bar, formulas written from their definitions.
Run: python3 vectors.py > vectors.json
"""
import datetime
import json
from decimal import Decimal, getcontext

getcontext().prec = 60
N = 100


def made_up_bars():
    """A walk in ticks of 0.01 with a flat run, bars without volume and ties."""
    seed, price = 20240229, 10000
    rows = []
    day = datetime.date(2024, 1, 26)
    for i in range(N):
        draws = []
        for _ in range(4):
            seed = (seed * 1103515245 + 12345) % 2**31
            draws.append(seed >> 16)
        o = price
        flat = 40 <= i < 62
        if not flat:
            price += draws[0] % 121 - 60
        h = max(o, price) + (0 if flat else draws[1] % 30)
        l = min(o, price) - (0 if flat else draws[2] % 30)
        v = 0 if i < 2 or i % 13 == 5 or day.day == 1 else draws[3] % 5000
        rows.append((day.isoformat(), o / 100, h / 100, l / 100, price / 100, v / 8))
        day += datetime.timedelta(days=1)
    return rows


ROWS = made_up_bars()
DATE = [r[0] for r in ROWS]
O, H, L, C, V = ([Decimal(r[k]) for r in ROWS] for k in range(1, 6))


def mean(xs):
    return sum(xs, Decimal(0)) / len(xs)


def window(xs, i, n):
    """The last n values up to i, or None while one is missing."""
    if i < n - 1:
        return None
    w = xs[i - n + 1 : i + 1]
    return None if None in w else w


def over(xs, n, f):
    ws = [window(xs, i, n) for i in range(len(xs))]
    return [None if w is None else f(w) for w in ws]


def sma(xs, n):
    return over(xs, n, mean)


def recursive(xs, n, weight):
    """An average seeded with the mean of the first n values that exist."""
    out, head, y = [], [], None
    for x in xs:
        if x is not None:
            if y is None:
                head.append(x)
                y = mean(head) if len(head) == n else None
            else:
                y = y + weight * (x - y)
        out.append(y)
    return out


def ema(xs, n):
    return recursive(xs, n, Decimal(2) / (n + 1))


def rma(xs, n):
    return recursive(xs, n, Decimal(1) / n)


def wma(xs, n):
    return over(xs, n, lambda w: sum((k + 1) * x for k, x in enumerate(w)) / (n * (n + 1) // 2))


def apply(f, *series):
    return [None if None in t else f(*t) for t in zip(*series)]


def flag(due, test):
    """1 or 0 from the first bar on which a value is due."""
    return [None if d is None else Decimal(int(t)) for d, t in zip(due, test)]


def changes(xs, f):
    return [None] + [f(b - a) for a, b in zip(xs, xs[1:])]


def rsi(n):
    up = rma(changes(C, lambda d: max(d, Decimal(0))), n)
    down = rma(changes(C, lambda d: max(-d, Decimal(0))), n)
    value = apply(lambda u, d: Decimal(50) if u + d == 0 else 100 * u / (u + d), up, down)
    return {"value": value, "degenerate": flag(value, [u is not None and u + d == 0 for u, d in zip(up, down)])}


def macd(fast, slow, signal, profile):
    cut = slow - fast if profile == "talib" else 0
    quick = ema([None] * cut + C[cut:], fast)
    line = apply(lambda a, b: a - b, quick, ema(C, slow))
    sig = ema(line, signal)
    factor = 2 if profile == "cn" else 1
    hist = apply(lambda a, b: factor * (a - b), line, sig)
    if profile == "talib":
        line = [None if s is None else x for x, s in zip(line, sig)]
    return {"macd": line, "signal": sig, "hist": hist}


def bbands(n, mult, ma):
    middle = sma(C, n) if ma == "sma" else ema(C, n)
    s = over(C, n, lambda w: mean([(x - mean(w)) ** 2 for x in w]).sqrt())
    up = apply(lambda m, d: m + mult * d, middle, s)
    low = apply(lambda m, d: m - mult * d, middle, s)
    pb = apply(lambda x, u, l: Decimal("0.5") if u == l else (x - l) / (u - l), C, up, low)
    bw = apply(lambda u, m, l: (u - l) / m, up, middle, low)
    return {"upper": up, "middle": middle, "lower": low, "percent_b": pb, "bandwidth": bw,
            "degenerate": flag(middle, [u == l for u, l in zip(up, low)])}


def atr(n, profile):
    first = [H[0] - L[0] if profile == "tv" else None]
    return {"value": rma(first + [max(H[i] - L[i], abs(H[i] - C[i - 1]), abs(L[i] - C[i - 1])) for i in range(1, N)], n)}


def raw(n):
    hh, ll = over(H, n, max), over(L, n, min)
    value = apply(lambda c, h, l: Decimal(0) if h == l else 100 * (c - l) / (h - l), C, hh, ll)
    return value, [h is not None and h == l for h, l in zip(hh, ll)]


def stoch(fk, sk, sd, ma):
    average = sma if ma == "sma" else ema
    r, flat = raw(fk)
    k = r
    for n, name in ((sk, "k"), (sd, "d")):
        shift = next((i for i, x in enumerate(k) if x is not None), 0)
        out = [None] * shift + average(k[shift:], n)
        if name == "k":
            k = out
        else:
            d = out
    k = [None if b is None else a for a, b in zip(k, d)]
    near = [any(flat[max(0, i - sk - sd + 2) : i + 1]) for i in range(N)]
    return {"k": k, "d": d, "degenerate": flag(d, near)}


def kdj(n, kp, dp, profile):
    r, flat = raw(n)
    if profile == "cn":
        k, d, a, b = [], [], Decimal(50), Decimal(50)
        for x in r:
            if x is not None:
                a = ((kp - 1) * a + x) / kp
                b = ((dp - 1) * b + a) / dp
            k.append(None if x is None else a)
            d.append(None if x is None else b)
    else:
        k = rma(r, kp)
        d = rma(k, dp)
        k = [None if y is None else x for x, y in zip(k, d)]
    return {"k": k, "d": d, "j": apply(lambda x, y: 3 * x - 2 * y, k, d), "degenerate": flag(d, flat)}


def vwap(anchor, mult):
    def period(i):
        day = datetime.date.fromisoformat(DATE[i])
        return {"none": 0, "day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month)}[anchor]

    out = {"vwap": [], "upper": [], "lower": [], "degenerate": []}
    for i in range(N):
        at = [j for j in range(i + 1) if period(j) == period(i)]
        x = {j: (H[j] + L[j] + C[j]) / 3 for j in at}
        vol = sum(V[j] for j in at)
        out["degenerate"].append(Decimal(int(vol == 0)))
        if vol == 0:
            for name in ("vwap", "upper", "lower"):
                out[name].append(None)
            continue
        m = sum(x[j] * V[j] for j in at) / vol
        s = (sum((x[j] - m) ** 2 * V[j] for j in at) / vol).sqrt()
        out["vwap"].append(m)
        out["upper"].append(m + mult * s)
        out["lower"].append(m - mult * s)
    return out


def obv(profile):
    out = [V[0] if profile == "talib" else Decimal(0)]
    for i in range(1, N):
        out.append(out[-1] + (V[i] if C[i] > C[i - 1] else -V[i] if C[i] < C[i - 1] else 0))
    return {"value": out}


def case(indicator, outputs, inputs=("close",), profile="talib", **params):
    print_one = lambda x: None if x is None else float(x)
    name = indicator + ("" if profile == "talib" else "@" + profile)
    return {"id": "_".join([name] + [str(v) for v in params.values()]), "indicator": indicator, "profile": profile,
            "inputs": list(inputs), "params": params,
            "outputs": {k: [print_one(x) for x in v] for k, v in outputs.items()}}


HLC = ("high", "low", "close")
CASES = [
    *(case("sma", {"value": sma(C, n)}, period=n) for n in (1, 10)),
    *(case("ema", {"value": ema(C, n)}, period=n) for n in (1, 10)),
    *(case("wma", {"value": wma(C, n)}, period=n) for n in (1, 2, 10)),
    *(case("rsi", rsi(n), period=n) for n in (2, 14)),
    *(case("macd", macd(a, b, s, p), profile=p, fast=a, slow=b, signal=s)
      for a, b, s in ((12, 26, 9), (5, 9, 1)) for p in ("talib", "tv", "cn")),
    case("macd", macd(12, 26, 9, "talib"), fast=26, slow=12, signal=9),
    *(case("bbands", bbands(n, m, ma), period=n, mult=m, ma=ma)
      for n, m in ((20, 2), (5, 1)) for ma in ("sma", "ema")),
    *(case("atr", atr(n, p), HLC, p, period=n) for n in (1, 14) for p in ("talib", "tv")),
    *(case("stoch", stoch(a, b, c, ma), HLC, fast_k=a, slow_k=b, slow_d=c, ma=ma)
      for a, b, c in ((14, 3, 3), (5, 1, 4)) for ma in ("sma", "ema")),
    *(case("kdj", kdj(n, k, d, p), HLC, p, period=n, k=k, d=d)
      for n, k, d in ((9, 3, 3), (5, 2, 1)) for p in ("talib", "cn")),
    *(case("vwap", vwap(a, m), HLC + ("volume",), anchor=a, mult=m)
      for a in ("none", "day", "week", "month") for m in (1, 2)),
    *(case("obv", obv(p), ("close", "volume"), p) for p in ("talib", "tv")),
]

columns = dict(zip(("date", "open", "high", "low", "close", "volume"), ([r[k] for r in ROWS] for k in range(6))))
print('{"format": "kline-golden/1",')
print('"library": "none: 60-digit decimal arithmetic from the definitions, see vectors.py",')
print('"input": ' + json.dumps({"name": "made up", "rows": N, "columns": columns}) + ",")
print('"cases": [')
print(",\n".join(json.dumps(c) for c in CASES))
print("]}")
