//! The families of reference tables: inputs to outputs.

use super::input::{CaseError, Input};
use super::json::value;
use crate::experiment::interleave::{Preference, Team, TeamDraft};
use crate::experiment::statistics::{
    BetaPrior, Bootstrap, ConfidenceSequence, Correction, Difference, Interval, Mismatch, Moments2, Msprt,
    Power, Proportion, Resampled, Sample, StatisticsError, beats, cuped, sample_ratio_mismatch,
    two_proportion_z,
};
use serde_json::{Value, json};

type Answer = Result<Value, CaseError>;

/// Every family that [`evaluate`] knows.
pub const FAMILIES: [&str; 13] = [
    "two_proportion_z",
    "welch_t",
    "srm_chi_square",
    "sequential_confidence_sequence",
    "msprt_normal",
    "cuped",
    "ratio_delta_method",
    "bootstrap_ci",
    "sample_size",
    "multiple_testing",
    "proportion_interval",
    "beta_prob_b_beats_a",
    "team_draft_interleaving",
];

/// Level of the intervals that tables call `ci95`.
const LEVEL: f64 = 0.95;

/// What a family makes of one case's `in`.
///
/// # Errors
///
/// [`CaseError`] for a family that is not known, and inputs that are missing or make no sense.
pub fn evaluate(family: &str, input: &Value) -> Result<Value, CaseError> {
    let input = Input(input);
    match family {
        "two_proportion_z" => two_proportions(input),
        "welch_t" => welch(input),
        "srm_chi_square" => mismatch(input),
        "sequential_confidence_sequence" => sequence(input),
        "msprt_normal" => msprt(input),
        "cuped" => adjusted(input),
        "ratio_delta_method" => ratio(input),
        "bootstrap_ci" => bootstrap(input),
        "sample_size" => sample_size(input),
        "multiple_testing" => multiple(input),
        "proportion_interval" => intervals(input),
        "beta_prob_b_beats_a" => bayes(input),
        "team_draft_interleaving" if input.has("wins_a") => sign_test(input),
        "team_draft_interleaving" => interleaved(input),
        _ => Err(CaseError::UnknownFamily(family.to_owned())),
    }
}

fn interval(Interval { low, high }: Interval) -> Value {
    json!([value(low), value(high)])
}

fn arms_of_counts(input: Input<'_>) -> Result<[Proportion; 2], CaseError> {
    let a = Proportion::new(input.count("x_a")?, input.count("n_a")?)?;
    Ok([a, Proportion::new(input.count("x_b")?, input.count("n_b")?)?])
}

fn arms_of_means(input: Input<'_>) -> Result<[Sample; 2], CaseError> {
    let a = Sample::new(input.count("n_a")?, input.number("mean_a")?, input.number("var_a")?)?;
    Ok([a, Sample::new(input.count("n_b")?, input.number("mean_b")?, input.number("var_b")?)?])
}

fn two_proportions(input: Input<'_>) -> Answer {
    let [a, b] = arms_of_counts(input)?;
    let test = two_proportion_z(a, b, LEVEL)?;
    let (z, p, difference) = (value(test.z), value(test.p), value(test.difference));
    Ok(json!({"z": z, "p": p, "diff": difference, "ci95": interval(test.interval)}))
}

fn welch(input: Input<'_>) -> Answer {
    let [a, b] = arms_of_means(input)?;
    compared(&a, &b)
}

/// Welch's test of the difference, absolute and relative.
fn compared(a: &Sample, b: &Sample) -> Answer {
    let difference = Difference::absolute(a, b);
    let test = difference.t_test(LEVEL)?;
    let relative = Difference::relative(a, b);
    let relative_test = relative.map(|relative| relative.t_test(LEVEL)).transpose()?;
    Ok(json!({
        "t": value(test.t),
        "df": value(test.df),
        "p": value(test.p),
        "diff": value(difference.estimate),
        "var_diff": value(difference.variance),
        "ci95": interval(test.interval),
        "relative_lift": relative.map(|relative| value(relative.estimate)),
        "relative_ci95": relative_test.map(|test| interval(test.interval)),
        "relative_p": relative_test.map(|test| value(test.p)),
    }))
}

/// An answer with more in it.
fn with(answer: Answer, more: Value) -> Answer {
    let mut answer = answer?;
    if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
        answer.extend(more);
    }
    Ok(answer)
}

fn mismatch(input: Input<'_>) -> Answer {
    let found = sample_ratio_mismatch(&input.counts("observed")?, &input.numbers("weights")?)?;
    let Mismatch { chi2, df, p } = found;
    Ok(json!({"chi2": value(chi2), "df": df, "p": value(p), "srm_at_0_001": found.alarms()}))
}

fn sequence(input: Input<'_>) -> Answer {
    let [a, b] = match input.text("kind")? {
        "proportion" => {
            let [a, b] = arms_of_counts(input)?;
            [a.sample()?, b.sample()?]
        }
        "mean" => arms_of_means(input)?,
        _ => return Err(not_a_kind(input, "proportion or mean")),
    };
    let sequence = ConfidenceSequence::new(input.number("alpha")?, input.number("tuning")?)?;
    let told = |difference: Difference| {
        let look = sequence.look(&difference);
        json!({
            "effect": value(difference.estimate),
            "ci": interval(look.interval),
            "p": value(look.p),
            "rho": value(sequence.rho()),
            "var": value(difference.variance),
        })
    };
    let relative = Difference::relative(&a, &b).map(told);
    Ok(json!({"absolute": told(Difference::absolute(&a, &b)), "relative": relative}))
}

fn not_a_kind(input: Input<'_>, wanted: &'static str) -> CaseError {
    let given = input.get("kind").map(ToString::to_string).unwrap_or_default();
    CaseError::Wrong { field: "kind", given, wanted }
}

fn msprt(input: Input<'_>) -> Answer {
    let (sigma2, alpha) = (input.number("sigma2")?, input.number("alpha")?);
    let mut test = Msprt::new(input.number("tau2")?)?;
    let (mut ln_ratios, mut ps) = (Vec::new(), Vec::new());
    for look in input.list("looks")? {
        let (n, difference) = (Input(look).number("n_per_arm")?, Input(look).number("diff")?);
        let evidence = test.look(difference, 2.0 * sigma2 / n)?;
        ln_ratios.push(value(evidence.ln_ratio));
        ps.push(evidence.p);
    }
    let first = ps.iter().position(|p| *p <= alpha);
    let ps: Vec<Value> = ps.into_iter().map(value).collect();
    Ok(json!({"ln_lr": ln_ratios, "p_always_valid": ps, "first_reject_look": first}))
}

fn adjusted(input: Input<'_>) -> Answer {
    let a = Moments2::of(input.pairs("pre_a", "post_a")?);
    let b = Moments2::of(input.pairs("pre_b", "post_b")?);
    let cuped = cuped(&a, &b)?;
    let before = Difference::absolute(&a.y().sample()?, &b.y().sample()?);
    let more = json!({
        "theta": value(cuped.theta),
        "adj_mean_a": value(cuped.a.mean()),
        "adj_mean_b": value(cuped.b.mean()),
        "var_diff_unadjusted": value(before.variance),
    });
    with(compared(&cuped.a, &cuped.b), more)
}

fn ratio(input: Input<'_>) -> Answer {
    let a = Moments2::of(input.pairs("num_a", "den_a")?);
    let b = Moments2::of(input.pairs("num_b", "den_b")?);
    let ratios = [a.ratio()?, b.ratio()?];
    // What is wrong about ratios: every view for itself, as if no two were of the same user.
    let (of_a, of_b) = (views(&a), views(&b));
    let pooled = (of_a * ratios[0].mean() + of_b * ratios[1].mean()) / (of_a + of_b);
    let naive = pooled * (1.0 - pooled) * (1.0 / of_a + 1.0 / of_b);
    let more = json!({
        "ratio_a": value(ratios[0].mean()),
        "ratio_b": value(ratios[1].mean()),
        "var_a": value(ratios[0].variance()),
        "var_b": value(ratios[1].variance()),
        "naive_iid_var_diff_WRONG": value(naive),
    });
    with(compared(&ratios[0], &ratios[1]), more)
}

/// The sum of an arm's denominators.
fn views(arm: &Moments2) -> f64 {
    arm.y().mean() * arm.n() as f64
}

fn bootstrap(input: Input<'_>) -> Answer {
    const RESAMPLES: u32 = 40_000;
    let (a, b, level) = (input.numbers("a")?, input.numbers("b")?, input.number("level")?);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let drawn = Bootstrap::new(RESAMPLES, 42)?.difference(&a, &b, mean)?;
    let bca = drawn.bca(level, Resampled::acceleration(&a, &b, mean))?;
    let bca = bca.map_or_else(|| json!([Value::Null, Value::Null]), interval);
    Ok(json!({
        "diff": value(drawn.estimate()),
        "percentile": interval(drawn.percentile(level)?),
        "bca": bca,
    }))
}

fn sample_size(input: Input<'_>) -> Answer {
    let power = Power::new(input.number("alpha")?, input.number("power")?)?;
    match input.text("kind")? {
        "proportion" => {
            let (p1, p2) = (input.number("p1")?, input.number("p2")?);
            let unpooled = power.users_for_rates(p1, p2)?;
            let arcsine = power.users_for_rates_by_arcsine(p1, p2)?;
            Ok(json!({
                "unpooled": value(unpooled), "unpooled_ceil": value(unpooled.ceil()),
                "arcsine": value(arcsine), "arcsine_ceil": value(arcsine.ceil()),
            }))
        }
        "mean" => {
            let effect = input.number("effect_size_d")?;
            let by_t = power.users_for_means(effect)?;
            let by_z = power.users_for_means_by_z(effect)?;
            Ok(json!({"t_based": value(by_t), "t_based_ceil": value(by_t.ceil()), "z_based": value(by_z)}))
        }
        _ => Err(not_a_kind(input, "proportion or mean")),
    }
}

fn multiple(input: Input<'_>) -> Answer {
    let p = input.numbers("p")?;
    let adjusted = |correction: Correction| -> Result<Vec<Value>, StatisticsError> {
        Ok(correction.adjusted(&p)?.into_iter().map(value).collect())
    };
    Ok(json!({
        "bonferroni": adjusted(Correction::Bonferroni)?,
        "holm": adjusted(Correction::Holm)?,
        "simes-hochberg": adjusted(Correction::Hochberg)?,
        "fdr_bh": adjusted(Correction::BenjaminiHochberg)?,
        "fdr_by": adjusted(Correction::BenjaminiYekutieli)?,
    }))
}

fn intervals(input: Input<'_>) -> Answer {
    let seen = Proportion::new(input.count("x")?, input.count("n")?)?;
    let level = input.number("level")?;
    Ok(json!({
        "wilson": interval(seen.wilson(level)?),
        "clopper_pearson": interval(seen.clopper_pearson(level)?),
        "agresti_coull": interval(seen.agresti_coull(level)?),
    }))
}

fn bayes(input: Input<'_>) -> Answer {
    let [a, b] = arms_of_counts(input)?;
    let [successes, failures] = input.numbers("prior")?[..] else {
        let given = input.get("prior")?.to_string();
        return Err(CaseError::Wrong { field: "prior", given, wanted: "two numbers" });
    };
    let prior = BetaPrior::new(successes, failures)?;
    let chances = beats(a, b, prior);
    Ok(json!({"p_b_beats_a": value(chances.b_beats_a), "expected_loss_b": value(chances.expected_loss)}))
}

fn sign_test(input: Input<'_>) -> Answer {
    let preference = Preference { wins_a: input.count("wins_a")?, wins_b: input.count("wins_b")?, ties: 0 };
    Ok(json!({"p": value(preference.p()?)}))
}

fn interleaved(input: Input<'_>) -> Answer {
    let (a, b) = (input.list("a")?, input.list("b")?);
    let coins = input.counts("coins")?;
    let mut coins = coins.into_iter().map(|coin| coin != 0);
    let mut ran_out = false;
    let toss = || {
        coins.next().unwrap_or_else(|| {
            ran_out = true;
            true
        })
    };
    let page = TeamDraft::new(a, b, input.count("k")? as usize, toss);
    if ran_out {
        let given = input.get("coins")?.to_string();
        return Err(CaseError::Wrong { field: "coins", given, wanted: "one for each tie" });
    }
    let [of_a, of_b] = page.credit(input.list("clicks")?);
    let name = |team: &Team| if *team == Team::A { "A" } else { "B" };
    let teams: Vec<&str> = page.teams().iter().map(name).collect();
    Ok(json!({"list": page.items(), "teams": teams, "credit_a": of_a, "credit_b": of_b}))
}
