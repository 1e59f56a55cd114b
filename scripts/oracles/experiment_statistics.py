"""Prints a table of statistics of experiments, computed by others, for `reco stats`.

    pip install numpy==1.26.4 scipy==1.17.1 statsmodels==0.15.0 gbstats==0.8.0 pandas==1.5.3
    python scripts/oracles/experiment_statistics.py [CASES [SEED]] >crates/reco-core/tests/data/statistics.json

The committed table has 12 cases a family (more where edges are listed) of seed 7. Everything is scipy's (BSD-3),
statsmodels' (BSD-3) or gbstats' (MIT), or, where they have nothing, a plain formula or sum in this file.
"""

import itertools
import json
import sys
import warnings

import numpy as np
import scipy
import statsmodels
from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import (
    ProportionStatistic,
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
)
from gbstats.models.tests import BaseABTest  # noqa: F401  (compute_theta runs when a test is made)
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

warnings.filterwarnings("ignore")
N_CASES = int(sys.argv[1]) if len(sys.argv) > 1 else 12
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 7
rng = np.random.default_rng(SEED)


def log_uniform(low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def rate():
    return float(rng.choice([rng.uniform(), log_uniform(1e-5, 0.5)]))


def two_proportion_z():
    edges = [
        (0, 10, 0, 10), (10, 10, 10, 10), (0, 10, 10, 10), (0, 1, 1, 1), (1, 1, 1, 2), (5, 10, 5, 10), (0, 50, 1, 3),
        (1, 10**9, 3, 10**9), (499_999_999, 10**9, 500_012_345, 10**9), (3, 10, 300_000, 10**6), (9, 10, 999_990, 10**6),
    ]
    for _ in range(N_CASES):
        n_a, n_b = int(log_uniform(2, 1e7)), int(log_uniform(2, 1e7))
        p = rate()
        edges.append((int(rng.binomial(n_a, p)), n_a, int(rng.binomial(n_b, min(1, p * rng.uniform(0.9, 1.1)))), n_b))
    for x_a, n_a, x_b, n_b in edges:
        z, p = proportions_ztest([x_b, x_a], [n_b, n_a])
        a, b = x_a / n_a, x_b / n_b
        half = stats.norm.ppf(0.975) * np.sqrt(a * (1 - a) / n_a + b * (1 - b) / n_b)
        out = {"z": z, "p": p, "diff": b - a, "ci95": [b - a - half, b - a + half]}
        yield {"x_a": x_a, "n_a": n_a, "x_b": x_b, "n_b": n_b}, out


def mean_statistic(n, mean, var):
    return SampleMeanStatistic(n=n, sum=n * mean, sum_squares=var * (n - 1) + n * mean * mean)


def relative(a, b):
    test = TwoSidedTTest(a, b, FrequentistConfig(difference_type="relative"))
    return test.point_estimate, test.confidence_interval, test.p_value


def welch_t():
    edges = [
        (2, 1.0, 1.0, 2, 3.0, 0.5), (2, 5.0, 0.0, 3, 6.0, 1.0), (10, 5.0, 2.0, 10, 5.0, 2.0), (10, 5.0, 0.0, 10, 5.0, 0.0),
        (10, 5.0, 0.0, 12, 6.0, 0.0), (10**9, 1.0, 1.0, 10**9, 1.0001, 1.0), (3, -2.0, 4.0, 500, -3.0, 100.0),
        (100, 0.001, 1e-6, 100, 0.0011, 1e-6), (50, 1e6, 1e10, 60, 1.1e6, 2e10), (3, 10.0, 1e-8, 4, 20.0, 1e4),
    ]
    for _ in range(N_CASES):
        mean = log_uniform(0.01, 1e4)
        edges.append((
            int(log_uniform(2, 1e7)), mean, (mean * log_uniform(0.05, 5)) ** 2,
            int(log_uniform(2, 1e7)), mean * float(rng.uniform(0.8, 1.2)), (mean * log_uniform(0.05, 5)) ** 2,
        ))
    for n_a, m_a, v_a, n_b, m_b, v_b in edges:
        told = stats.ttest_ind_from_stats(m_b, np.sqrt(v_b), n_b, m_a, np.sqrt(v_a), n_a, equal_var=False)
        low, high = told_interval(m_b - m_a, v_a / n_a + v_b / n_b, told_df(n_a, v_a, n_b, v_b))
        out = {"t": told.statistic, "df": told_df(n_a, v_a, n_b, v_b), "p": told.pvalue, "diff": m_b - m_a, "ci95": [low, high]}
        # Sums of squares would lose digits that the summaries have.
        lift, var = (m_b - m_a) / m_a, v_b / (m_a**2 * n_b) + v_a * m_b**2 / (m_a**4 * n_a)
        df = out["df"]
        out["relative_lift"], out["relative_ci95"] = lift, list(told_interval(lift, var, df))
        out["relative_p"] = 2 * stats.t.sf(abs(lift / np.sqrt(var)), df) if var > 0 else out["p"]
        yield {"n_a": n_a, "mean_a": m_a, "var_a": v_a, "n_b": n_b, "mean_b": m_b, "var_b": v_b}, out


def told_df(n_a, v_a, n_b, v_b):
    a, b = np.float64(v_a / n_a), np.float64(v_b / n_b)
    df = (a + b) ** 2 / (a**2 / (n_a - 1) + b**2 / (n_b - 1))
    return 1.0 if np.isnan(df) else df


def told_interval(centre, var, df):
    half = stats.t.ppf(0.975, df) * np.sqrt(var)
    return centre - half, centre + half


def srm_chi_square():
    edges = [
        ([0, 10], [0.5, 0.5]), ([10, 0], [0.1, 0.9]), ([1, 0], [0.999, 0.001]), ([10**9, 10**9 + 100_000], [1, 1]),
        ([10**6, 2 * 10**6], [1, 1]), ([5, 5, 5], [2, 2, 2]), ([100, 200, 700], [0.1, 0.2, 0.7]), ([3, 1], [0.75, 0.25]),
    ]
    for _ in range(N_CASES):
        weights = rng.dirichlet(np.ones(int(rng.integers(2, 9))) * 3)
        seen = rng.multinomial(int(log_uniform(1, 1e8)), weights)
        edges.append((seen.tolist(), (weights * rng.uniform(0.98, 1.02, len(weights))).tolist()))
    for observed, weights in edges:
        expected = np.array(weights) / sum(weights) * sum(observed)
        told = stats.chisquare(observed, expected)
        out = {"chi2": told.statistic, "df": len(observed) - 1, "p": told.pvalue, "srm_at_0_001": bool(told.pvalue < 0.001)}
        yield {"observed": observed, "weights": weights}, out


def sequential_confidence_sequence():
    edges = [(1, 2, 1, 2, 0.05, 5000), (5, 10, 9, 10, 0.05, 100), (10**8, 10**9, 10**8 + 50_000, 10**9, 0.01, 1e6), (1, 10**6, 9, 10**6, 0.1, 1.0)]
    for _ in range(N_CASES):
        n_a, n_b = int(log_uniform(10, 1e7)), int(log_uniform(10, 1e7))
        p = rng.uniform(0.02, 0.9)
        x = [int(np.clip(rng.binomial(n, min(1, q)), 1, n - 1)) for n, q in ((n_a, p), (n_b, p * rng.uniform(0.9, 1.1)))]
        edges.append((x[0], n_a, x[1], n_b, float(rng.choice([0.01, 0.05, 0.1])), log_uniform(100, 1e6)))
    for x_a, n_a, x_b, n_b, alpha, tuning in edges:
        out = {}
        for kind in ("absolute", "relative"):
            config = SequentialConfig(alpha=alpha, difference_type=kind, sequential_tuning_parameter=tuning)
            test = SequentialTwoSidedTTest(ProportionStatistic(n=n_a, sum=x_a), ProportionStatistic(n=n_b, sum=x_b), config)
            out[kind] = {
                "effect": test.point_estimate, "ci": test.confidence_interval, "p": test.p_value,
                "rho": test.rho, "var": test.variance,
            }
        yield {"kind": "proportion", "x_a": x_a, "n_a": n_a, "x_b": x_b, "n_b": n_b, "alpha": alpha, "tuning": tuning}, out


def msprt_normal():
    for case in range(N_CASES):
        sigma2, tau2 = log_uniform(0.01, 100), log_uniform(1e-4, 10)
        effect = 0 if case % 3 == 0 else float(rng.normal(0, np.sqrt(tau2)))
        looks, lns, ps, total, n, p = [], [], [], 0.0, 0, 1.0
        for _ in range(8):
            more = int(log_uniform(1, 2000))
            total += rng.normal(effect * more, np.sqrt(2 * sigma2 * more))
            n += more
            d, v = float(total / n), 2 * sigma2 / n
            # The likelihood of the difference under the mixture, a normal variable of both variances, by that of none.
            ln = stats.norm.logpdf(d, 0, np.sqrt(v + tau2)) - stats.norm.logpdf(d, 0, np.sqrt(v))
            p = min(p, float(np.exp(-ln)))
            looks.append({"n_per_arm": n, "diff": d})
            lns.append(ln)
            ps.append(p)
        first = next((at for at, p in enumerate(ps) if p <= 0.05), None)
        out = {"ln_lr": lns, "p_always_valid": ps, "first_reject_look": first}
        yield {"sigma2": sigma2, "tau2": tau2, "alpha": 0.05, "looks": looks}, out


def rounded(values):
    return np.round(values, 3).tolist()


def mean_of(values):
    values = np.asarray(values, dtype=float)
    return SampleMeanStatistic(n=len(values), sum=values.sum(), sum_squares=(values**2).sum())


def adjusted(pre, post):
    products = float(np.dot(pre, post))
    return RegressionAdjustedStatistic(
        n=len(pre), pre_statistic=mean_of(pre), post_statistic=mean_of(post), post_pre_sum_of_products=products, theta=0
    )


def cuped():
    sizes = [(2, 2), (2, 30), (3, 3)] + [tuple(rng.integers(5, 40, 2)) for _ in range(N_CASES)]
    for case, (n_a, n_b) in enumerate(sizes):
        arms = {}
        for arm, n in (("a", n_a), ("b", n_b)):
            pre = np.full(n, 4.0) if case == 5 else rng.gamma(2, 2, n)
            post = rng.normal(1, 1, n) + pre * [0, 0.5, -0.4, 1.0][case % 4] + (0.5 if arm == "b" else 0)
            arms["pre_" + arm], arms["post_" + arm] = rounded(pre), rounded(post)
        plain = {arm: mean_of(arms["post_" + arm]) for arm in "ab"}
        before = TwoSidedTTest(plain["a"], plain["b"], FrequentistConfig(difference_type="absolute"))
        config = FrequentistConfig(difference_type="absolute")
        test = TwoSidedTTest(*(adjusted(arms["pre_" + arm], arms["post_" + arm]) for arm in "ab"), config)
        lift = TwoSidedTTest(
            *(adjusted(arms["pre_" + arm], arms["post_" + arm]) for arm in "ab"), FrequentistConfig(difference_type="relative")
        )
        out = {
            "theta": getattr(test.stat_a, "theta", 0.0), "adj_mean_a": test.stat_a.mean, "adj_mean_b": test.stat_b.mean,
            "var_diff": test.variance, "var_diff_unadjusted": before.variance, "diff": test.point_estimate,
            "ci95": test.confidence_interval, "p": test.p_value, "df": test.dof,
            "relative_lift": lift.point_estimate, "relative_ci95": lift.confidence_interval,
        }
        yield arms, out


def ratio_delta_method():
    sizes = [(2, 2), (3, 30)] + [tuple(rng.integers(5, 50, 2)) for _ in range(N_CASES)]
    for n_a, n_b in sizes:
        arms, told = {}, {}
        for arm, n in (("a", n_a), ("b", n_b)):
            den = rng.poisson(8, n) + (1 if n < 5 else 0)
            num = rng.binomial(den, rng.beta(1, 5, n))
            if n < 5:
                num[0], den[0] = num[0] + 1, den[0] + 3
            arms["num_" + arm], arms["den_" + arm] = num.tolist(), den.tolist()
            told[arm] = RatioStatistic(
                n=n, m_statistic=mean_of(num), d_statistic=mean_of(den), m_d_sum_of_products=float(np.dot(num, den))
            )
        a, b = told["a"], told["b"]
        test = TwoSidedTTest(a, b, FrequentistConfig(difference_type="absolute"))
        lift, lift_interval, _ = relative(a, b)
        pooled = (a.m_statistic.sum + b.m_statistic.sum) / (a.d_statistic.sum + b.d_statistic.sum)
        out = {
            "naive_iid_var_diff_WRONG": pooled * (1 - pooled) * (1 / a.d_statistic.sum + 1 / b.d_statistic.sum),
            "ratio_a": a.mean, "ratio_b": b.mean, "var_a": a.variance, "var_b": b.variance, "diff": test.point_estimate,
            "var_diff": test.variance, "df": test.dof, "ci95": test.confidence_interval, "p": test.p_value,
            "relative_lift": lift, "relative_ci95": lift_interval,
        }
        yield {key: arms[key] for key in ("num_a", "den_a", "num_b", "den_b")}, out


def bootstrap_ci():
    for _ in range(max(4, N_CASES // 3)):
        a = rounded(rng.normal(5, 2, rng.integers(8, 40)))
        b = rounded(rng.gamma(3, 2, rng.integers(8, 40)))
        out = {"diff": np.mean(b) - np.mean(a)}

        def difference(b, a, axis):
            return np.mean(b, axis=axis) - np.mean(a, axis=axis)

        for method in ("percentile", "bca"):
            told = stats.bootstrap((b, a), difference, n_resamples=40_000, method=method, random_state=rng, vectorized=True)
            out[method] = list(told.confidence_interval)
        out["abs_tol"] = 0.05 * (out["bca"][1] - out["bca"][0])
        yield {"a": a, "b": b, "level": 0.95}, out


def sample_size():
    rates = [(0.5, 0.9), (0.0, 0.1), (0.9, 1.0), (0.1, 0.9), (1e-4, 2e-4), (0.2, 0.1), (0.3, 0.3001)]
    goals = [(0.05, 0.8), (0.01, 0.9), (0.1, 0.5), (0.001, 0.99), (0.05, 0.06)]
    rates += [(p, p * float(rng.uniform(1.01, 1.4))) for p in (log_uniform(0.001, 0.6) for _ in range(N_CASES))]
    for at, (p1, p2) in enumerate(rates):
        alpha, power = goals[at % len(goals)]
        z = stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
        plain = z**2 * (p1 * (1 - p1) + p2 * (1 - p2)) / (p2 - p1) ** 2
        h = 2 * (np.arcsin(np.sqrt(p2)) - np.arcsin(np.sqrt(p1)))
        arcsine = float(np.squeeze(NormalIndPower().solve_power(h, alpha=alpha, power=power, ratio=1)))
        if not np.isfinite(arcsine):
            continue  # The solver does not look below 2.
        out = {"unpooled": plain, "unpooled_ceil": np.ceil(plain), "arcsine": arcsine, "arcsine_ceil": np.ceil(arcsine)}
        yield {"kind": "proportion", "p1": p1, "p2": p2, "alpha": alpha, "power": power}, out
    effects = [2.0, 1.5, -0.5, 0.001] + [log_uniform(0.01, 1.2) for _ in range(N_CASES)]
    for at, d in enumerate(effects):
        alpha, power = goals[at % len(goals)]
        z = stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
        n = float(np.squeeze(TTestIndPower().solve_power(d, alpha=alpha, power=power, ratio=1)))
        if not n >= 2 or abs(TTestIndPower().power(d, n, alpha) - power) > 1e-9:
            continue  # Nobody experiments with fewer; and the solver loses its way where scipy's noncentral t is no number.
        out = {"t_based": n, "t_based_ceil": np.ceil(n), "z_based": 2 * z**2 / d**2}
        yield {"kind": "mean", "effect_size_d": d, "alpha": alpha, "power": power}, out


def multiple_testing():
    edges = [[0.0, 1.0], [1.0, 1.0], [0.05] * 5, [0.0], [1e-300, 1e-200, 0.5], [0.04, 0.04, 0.01, 0.01, 0.9]]
    for _ in range(N_CASES):
        n = int(rng.integers(1, 40))
        edges.append([float(np.round(p, 6)) for p in np.where(rng.uniform(size=n) < 0.4, rng.uniform(size=n) ** 6, rng.uniform(size=n))])
    for p in edges:
        names = ("bonferroni", "holm", "simes-hochberg", "fdr_bh", "fdr_by")
        yield {"p": p, "alpha": 0.05}, {name: multipletests(p, 0.05, method=name)[1].tolist() for name in names}


def proportion_interval():
    edges = [(0, 1), (1, 1), (1, 2), (0, 10**9), (10**9, 10**9), (1, 10**9), (10**9 - 1, 10**9), (7, 7), (10**6, 10**9), (5 * 10**8, 10**9)]
    for _ in range(N_CASES):
        n = int(log_uniform(1, 1e7))
        edges.append((int(rng.binomial(n, rate())), n))
    for (x, n), level in zip(edges, itertools.cycle([0.95, 0.99, 0.8, 0.999, 0.5])):
        methods = {"wilson": "wilson", "clopper_pearson": "beta", "agresti_coull": "agresti_coull"}
        out = {name: list(proportion_confint(x, n, 1 - level, method)) for name, method in methods.items()}
        yield {"x": x, "n": n, "level": level}, out


def beta_prob_b_beats_a():
    edges = [(0, 1, 1, 1), (0, 10, 10, 10), (0, 0 + 5, 0, 5), (5, 5, 5, 5), (1, 2, 500, 1000), (50_000, 10**6, 50_300, 10**6), (2, 9, 40, 10_000)]
    for _ in range(N_CASES):
        n_a, n_b, p = int(log_uniform(2, 1e5)), int(log_uniform(2, 1e5)), rng.uniform(0.01, 0.95)
        edges.append((int(rng.binomial(n_a, p)), n_a, int(rng.binomial(n_b, p)), n_b))
    priors = [[1, 1], [0.5, 0.5], [2, 30]]
    for (x_a, n_a, x_b, n_b), prior in zip(edges, itertools.cycle(priors)):
        a = stats.beta(prior[0] + x_a, prior[1] + n_a - x_a)
        b = stats.beta(prior[0] + x_b, prior[1] + n_b - x_b)
        # Over the share of A's distribution, cut where B's is, so that nothing narrow is missed.
        cuts = sorted({float(c) for c in a.cdf(b.ppf(np.linspace(1e-6, 1 - 1e-6, 25)))} | set(np.linspace(0, 1, 26)))

        def over(function):
            parts = (integrate.quad(function, low, high, epsabs=1e-16, epsrel=1e-12, limit=400)[0] for low, high in zip(cuts, cuts[1:]))
            return sum(parts)

        more = stats.beta(b.args[0] + 1, b.args[1])
        won = over(lambda u: b.sf(a.ppf(u)))
        lost = over(lambda u: a.ppf(u) * b.cdf(a.ppf(u)) - b.mean() * more.cdf(a.ppf(u)))
        if won < 1e-6 or lost < 1e-9:
            continue  # Beyond what the quadrature holds.
        yield {"x_a": x_a, "n_a": n_a, "x_b": x_b, "n_b": n_b, "prior": prior}, {"p_b_beats_a": won, "expected_loss_b": lost}


def team_draft_interleaving():
    for case in range(N_CASES):
        pool = np.arange(1, 3 + case % 12 + 2)
        a, b = (rng.permutation(pool)[: int(rng.integers(0 if case % 5 == 4 else 1, len(pool) + 1))].tolist() for _ in "ab")
        k = int(rng.integers(1, len(pool) + 3))
        coins = rng.integers(0, 2, k + 2).tolist()
        page, teams, tosses = [], [], iter(coins)
        while len(page) < k:
            left = {"A": [i for i in a if i not in page], "B": [i for i in b if i not in page]}
            if not left["A"] and not left["B"]:
                break
            n = {team: teams.count(team) for team in "AB"}
            team = "A" if n["A"] < n["B"] else "B" if n["B"] < n["A"] else "A" if next(tosses) else "B"
            team = team if left[team] else {"A": "B", "B": "A"}[team]
            page.append(left[team][0])
            teams.append(team)
        clicks = rng.permutation(pool)[:3].tolist()
        credit = {team: sum(teams[page.index(c)] == team for c in clicks if c in page) for team in "AB"}
        out = {"list": page, "teams": teams, "credit_a": credit["A"], "credit_b": credit["B"]}
        yield {"a": a, "b": b, "k": k, "coins": coins, "clicks": clicks}, out


FAMILIES = {
    two_proportion_z: ("statsmodels proportions_ztest; the interval by formula", 1e-9),
    welch_t: ("scipy ttest_ind_from_stats; the relative effect by formula, as gbstats has it", 1e-8),
    srm_chi_square: ("scipy chisquare", 1e-8),
    sequential_confidence_sequence: ("gbstats SequentialTwoSidedTTest", 1e-8),
    msprt_normal: ("scipy norm.logpdf", 1e-9),
    cuped: ("gbstats RegressionAdjustedStatistic", 1e-8),
    ratio_delta_method: ("gbstats RatioStatistic", 1e-8),
    bootstrap_ci: ("scipy bootstrap, 40,000 resamples", None),
    sample_size: ("statsmodels NormalIndPower and TTestIndPower; the others by formula", 1e-6),
    multiple_testing: ("statsmodels multipletests", 1e-9),
    proportion_interval: ("statsmodels proportion_confint", 1e-8),
    beta_prob_b_beats_a: ("scipy quad over scipy's beta distributions", 1e-6),
    team_draft_interleaving: ("a plain loop in this file; scipy binomtest", 1e-9),
}


def plain(value):
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


families = {}
for family, (oracle, tol) in FAMILIES.items():
    name = family.__name__
    cases = [{"id": f"{name}-{at}", "in": plain(i), "out": plain(o)} for at, (i, o) in enumerate(family(), 1)]
    families[name] = {"oracle": oracle, "tol": tol, "cases": cases}
wins = [(0, 1), (5, 5), (0, 60), (10**6, 10**6 + 2500)] + [tuple(rng.integers(0, 400, 2).tolist()) for _ in range(N_CASES)]
wins = [pair for pair in wins if sum(pair)]
families["team_draft_interleaving"]["sign_test"] = [
    {"wins_a": a, "wins_b": b, "p": stats.binomtest(a, a + b).pvalue} for a, b in wins
]
meta = {
    "generator": "scripts/oracles/experiment_statistics.py",
    "arguments": [N_CASES, SEED],
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "gbstats": "0.8.0"},
}
print('{"meta": ' + json.dumps(meta) + ',\n"families": {')
for at, (name, family) in enumerate(families.items()):
    head = {key: value for key, value in family.items() if key != "cases"}
    rows = ",\n".join(json.dumps(case) for case in family["cases"])
    print(json.dumps(name) + ": " + json.dumps(head)[:-1] + ', "cases": [\n' + rows + "\n]}" + ("," if at + 1 < len(families) else ""))
print("}}")
