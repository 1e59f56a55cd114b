//! The configuration: defaults, then a file, then the environment, then flags.

#[cfg(test)]
mod documented;
mod layers;
mod patch;
mod words;

use crate::args::{DataArgs, Global};
use crate::caches::{CacheConfig, FeaturesConfig};
use crate::events::EventsConfig;
use crate::exposures::ExposuresConfig;
use crate::fleet::{KafkaConfig, RedisConfig, SharedBy};
use crate::output::Output;
use crate::pages::PagesConfig;
use crate::registry::RegistryConfig;
use crate::slips::Slips;
use figment::Figment;
use figment::error::Kind;
use figment::providers::Serialized;
use layers::Setting;
use reco_core::event::ActionWeights;
use reco_core::experiment::rollout::RolloutConfig;
use reco_core::experiment::{ExperimentConfig, Experiments, Holdout, MetricConfig};
use reco_core::pipeline::PipelineConfig;
use reco_http::HttpConfig;
use reco_train::data::clean::CleanParams;
use reco_train::data::{FileSpec, ImportSpec, Preset};
use reco_train::fit::snapshot::Plan;
use reco_train::flow::JudgeParams;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The time in which pages are made and events happen.
    pub(crate) clock: ClockName,
    /// Where the data is; without `data.interactions` the shipped demo data is used.
    pub(crate) data: ImportSpec,
    /// What of the data is used.
    pub(crate) clean: CleanParams,
    /// How strongly each action speaks for an item.
    pub(crate) weights: ActionWeights,
    /// What is fitted.
    pub(crate) train: Plan,
    /// How a page is made.
    pub(crate) pipeline: PipelineConfig,
    /// The server.
    pub(crate) http: HttpConfig,
    /// What is known of users.
    pub(crate) features: FeaturesConfig,
    /// What the server keeps of what it computed.
    pub(crate) cache: CacheConfig,
    /// Lists that are computed in advance.
    pub(crate) lists: ListsConfig,
    /// Where the server keeps events.
    pub(crate) events: EventsConfig,
    /// Which of the pages that it serves the server writes down.
    pub(crate) pages: PagesConfig,
    /// Where exposures of new items are counted.
    pub(crate) exposures: ExposuresConfig,
    /// Where Kafka is, for `events.keep = "kafka"`.
    pub(crate) kafka: KafkaConfig,
    /// Where Redis is, for what is shared there.
    pub(crate) redis: RedisConfig,
    /// Where trained versions are kept.
    pub(crate) registry: RegistryConfig,
    /// How a version on trial comes to serve everybody.
    pub(crate) rollout: RolloutConfig,
    /// How what is trained is judged.
    pub(crate) judge: JudgeParams,
    /// Experiments by name.
    pub(crate) experiments: BTreeMap<String, ExperimentConfig>,
    /// What they are judged by, beside the usual metrics, by name.
    pub(crate) metrics: BTreeMap<String, MetricConfig>,
    /// Users who take part in no experiment, by name.
    pub(crate) holdouts: BTreeMap<String, Holdout>,
    /// The log of training runs.
    pub(crate) runs: RunsConfig,
    /// What `reco tune` searches over.
    pub(crate) tune: TuneConfig,
}

/// What `reco tune` searches over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TuneConfig {
    /// Settings by their path with the values to try; see [`Space::read`](reco_train::tune::Space::read).
    pub(crate) space: serde_json::Map<String, serde_json::Value>,
}

/// What is wrong with a setting that must be between two numbers.
pub(crate) fn out_of_range(name: &str, value: f64, least: f64, most: f64) -> Option<String> {
    let problem = || format!("{name} is {value}, must be between {least} and {most}");
    (!(least..=most).contains(&value)).then(problem)
}

/// How lists are computed in advance, and used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListsConfig {
    /// Where they are for several processes to find.
    pub(crate) shared: SharedBy,
    /// The file where they are if that is nowhere.
    pub(crate) path: PathBuf,
    /// Tells these from others in the same place, if they are shared.
    pub(crate) kind: String,
    /// Items of a list.
    pub(crate) count: usize,
    /// Users are active who did something in the last days of the data.
    pub(crate) active_days: f64,
    /// Hours for which a list is used.
    pub(crate) ttl_hours: f64,
    /// How many of its items a list proposes for a page.
    pub(crate) quota: usize,
}

impl Default for ListsConfig {
    fn default() -> Self {
        let kind = "nightly".to_owned();
        Self {
            shared: SharedBy::None,
            path: "reco.lists".into(),
            kind,
            count: 1_000,
            active_days: 30.0,
            ttl_hours: 24.0,
            quota: 100,
        }
    }
}

impl ListsConfig {
    /// What is wrong with it, one line each.
    fn problems(&self) -> Vec<String> {
        let kind = self.kind.is_empty().then(|| "kind is empty, must be a name".to_owned());
        let path = self.path.as_os_str().is_empty().then(|| "path is empty, must name a file".to_owned());
        let ranges = [
            out_of_range("count", self.count as f64, 1.0, 1_000.0),
            out_of_range("active_days", self.active_days, 0.0, 36_500.0),
            out_of_range("ttl_hours", self.ttl_hours, 0.01, 8_760.0),
            out_of_range("quota", self.quota as f64, 0.0, 1_000.0),
        ];
        self.shared
            .problem()
            .into_iter()
            .chain(kind)
            .chain(path)
            .chain(ranges.into_iter().flatten())
            .collect()
    }
}

/// Where training runs are logged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RunsConfig {
    /// The folder; without one, runs are logged beside the registry.
    pub(crate) path: Option<PathBuf>,
}

/// Which clock is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClockName {
    /// The system's; over data that ended more than 30 days ago that of the data.
    #[default]
    Auto,
    /// The system's.
    System,
    /// One that goes on from the end of the data: what was bought "yesterday" then is yesterday here.
    Data,
}

/// Reads and checks the configuration. Beside all its problems stands what of it can be read, so that what else is
/// wrong, with data or candidates, can be told with them. `environment` is where `RECO_…` variables are looked for.
pub(crate) fn load(
    global: &Global,
    environment: impl Iterator<Item = (String, String)>,
    output: Output,
) -> (Config, Vec<String>) {
    let mut problems = Vec::new();
    let settings = layers::settings(global, environment, output, &mut problems);
    checked(&Config::default(), settings, problems)
}

/// The configuration with what a file sets under `train` and `pipeline`, and all its problems.
pub(crate) fn patched(config: &Config, patch: &Path) -> (Config, Vec<String>) {
    let mut problems = Vec::new();
    let settings = layers::patch(patch, &mut problems);
    checked(config, settings, problems)
}

/// A configuration with those settings on top that can be read.
fn checked(config: &Config, settings: Vec<Setting>, mut problems: Vec<String>) -> (Config, Vec<String>) {
    let below = || Figment::from(Serialized::defaults(config));
    let mut figment = below();
    for Setting { path, value, origin, .. } in settings {
        // Each setting is tried by itself first, so that one mistake does not hide the next.
        let alone = below().merge(Serialized::default(&path, value.clone())).extract::<Config>();
        match alone {
            Ok(_) => figment = figment.merge(Serialized::default(&path, value)),
            Err(error) => problems.extend(mistakes(&path, value.as_str(), &origin, error)),
        }
    }
    match figment.extract::<Config>() {
        Ok(config) => {
            problems.extend(config.problems());
            (config, problems)
        }
        Err(error) => {
            problems.extend(error.into_iter().map(|error| error.to_string()));
            (config.clone(), problems)
        }
    }
}

/// What is wrong with one setting; `text` is its value, if that is text.
fn mistakes(path: &str, text: Option<&str>, origin: &str, error: figment::Error) -> Vec<String> {
    let line = |error: figment::Error| {
        let inner = error.path.join(".");
        let place = if inner.starts_with(path) { &*inner } else { path };
        format!("{place} ({origin}): {}", words::problem(&error.kind, text, || names(path)))
    };
    error.into_iter().map(line).collect()
}

/// The names a setting takes, which come to light only beside one that it does not take.
fn names(path: &str) -> &'static [&'static str] {
    let defaults = Figment::from(Serialized::defaults(Config::default()));
    match defaults.merge(Serialized::default(path, "?")).extract::<Config>().map_err(|error| error.kind) {
        Err(Kind::UnknownVariant(_, known)) => known,
        _ => &[],
    }
}

impl Config {
    /// What is wrong across all sections, one line each, with the path of the field.
    pub(crate) fn problems(&self) -> Vec<String> {
        let under = |name: &'static str, lines: Vec<String>| {
            lines.into_iter().map(move |line| format!("{name}.{line}"))
        };
        let weights = self.weights.problems().into_iter().map(|line| format!("weights: {line}"));
        weights
            .chain(under("clean", self.clean.problems()))
            .chain(under("train", self.train.problems()))
            .chain(under("pipeline", self.pipeline.problems()))
            .chain(under("http", self.http.problems()))
            .chain(under("features", self.features.problems()))
            .chain(under("exposures", self.exposures.problems()))
            .chain(under("cache", self.cache.problems()))
            .chain(under("lists", self.lists.problems()))
            .chain(under("events", self.events.problems()))
            .chain(under("pages", self.pages.problems()))
            .chain(under("kafka", self.kafka.problems()))
            .chain(under("redis", self.redis.problems()))
            .chain(under("registry", self.registry.problems()))
            .chain(under("rollout", self.rollout.problems()))
            .chain(under("judge", self.judge.problems()))
            .chain(self.experiment_problems())
            .collect()
    }

    /// What is wrong with experiments, and with what their variants change.
    fn experiment_problems(&self) -> Vec<String> {
        let together = Experiments::new(self.experiments.clone(), self.holdouts.clone());
        let variants = self.experiments.iter().flat_map(|(name, experiment)| {
            experiment.variants.iter().flat_map(move |variant| {
                let path = format!("experiments.{name}.variants.{}.pipeline", variant.name);
                let problems = self.pipeline.patched(&variant.pipeline).err().unwrap_or_default();
                problems.into_iter().map(move |problem| format!("{path}.{problem}"))
            })
        });
        let metrics = self.metrics.iter().flat_map(|(name, metric)| {
            metric.problems().into_iter().map(move |problem| format!("metrics.{name}.{problem}"))
        });
        let known = self.experiment_metrics();
        let deciding = self
            .experiments
            .iter()
            .map(|(name, of)| (format!("experiments.{name}.decide.metric"), &of.decide.metric));
        let deciding =
            deciding.chain(self.rollout.metric.iter().map(|metric| ("rollout.metric".to_owned(), metric)));
        let undecided = deciding.filter(|(_, metric)| !known.contains_key(*metric)).map(|(path, metric)| {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            format!("{path} is `{metric}`, must be one of {}", names.join(", "))
        });
        together.err().into_iter().flatten().chain(variants).chain(metrics).chain(undecided).collect()
    }

    /// What experiments are judged by: the usual metrics, and those that are configured.
    pub(crate) fn experiment_metrics(&self) -> BTreeMap<String, MetricConfig> {
        let mut metrics = MetricConfig::usual();
        metrics.extend(self.metrics.clone());
        metrics
    }

    /// The data to read, flags included; `None` for the shipped demo data.
    pub(crate) fn import(&self, args: &DataArgs) -> Result<Option<ImportSpec>, Slips> {
        let (mut spec, mut problems) = (self.data.clone(), Vec::new());
        let file = |path: &Option<std::path::PathBuf>, configured: &mut Option<FileSpec>| {
            if let Some(path) = path {
                // What is configured without a path describes the file that the flag names.
                let described = configured.take().filter(|file| file.path.as_os_str().is_empty());
                *configured = Some(FileSpec { path: path.clone(), ..described.unwrap_or_default() });
            }
        };
        file(&args.interactions, &mut spec.interactions);
        file(&args.items, &mut spec.items);
        file(&args.users, &mut spec.users);
        if let Some(name) = &args.preset {
            let preset = name.parse::<Preset>();
            spec.preset = preset.map_err(|problem| problems.push(problem)).ok().or(spec.preset);
        }
        if let Some(skip) = args.skip_bad_rows {
            spec.skip_bad_rows = skip;
        }
        for column in &args.columns {
            if let Err(problem) = map_column(&mut spec, column) {
                problems.push(problem);
            }
        }
        if spec.interactions.is_none()
            && (spec.items.is_some() || spec.users.is_some() || spec.preset.is_some())
        {
            problems.push("--items, --users and --preset need --interactions".to_owned());
        }
        Slips::none_of(problems)?;
        Ok(spec.interactions.is_some().then_some(spec))
    }
}

/// Notes `FIELD=COLUMN`, `items.FIELD=COLUMN` or `users.FIELD=COLUMN`.
fn map_column(spec: &mut ImportSpec, text: &str) -> Result<(), String> {
    let (field, column) =
        text.split_once('=').ok_or_else(|| format!("--column {text}: must be FIELD=COLUMN"))?;
    // A folder may hold them all.
    let is_folder = spec.interactions.as_ref().is_some_and(|file| file.path.is_dir());
    let (file, field) = match field.split_once('.') {
        Some(("items", field)) => (&mut spec.items, field),
        Some(("users", field)) => (&mut spec.users, field),
        Some((other, _)) => return Err(format!("--column {text}: `{other}` must be items or users")),
        None => (&mut spec.interactions, field),
    };
    if is_folder {
        file.get_or_insert_default();
    }
    let file = file.as_mut().ok_or_else(|| format!("--column {text}: that file is not given"))?;
    file.columns.insert(field.to_owned(), column.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reco_core::time::Timestamp;
    use std::fs;
    use std::path::Path;

    fn sound((config, problems): (Config, Vec<String>)) -> Result<Config, Slips> {
        Slips::none_of(problems).map(|()| config)
    }

    fn load_text(text: &str, set: &[&str]) -> Result<Config, Slips> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reco.toml");
        fs::write(&path, text).unwrap();
        let set = set.iter().map(|text| (*text).to_owned()).collect();
        let environment =
            [("RECO_HTTP__MAX_EVENTS", "5"), ("RECO_CONFIG", "x"), ("OTHER", "y"), ("RECO_HOME", "z")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let global = Global { config: vec![path], set, json: false, quiet: true };
        sound(load(&global, environment.into_iter(), Output { json: false }))
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let text = "[pipeline]\ndeadline_ms = 20\nmax_count = 7\nseen = { within_days = 3 }\n[train.als]\nfactors = 32\n";
        let config = load_text(text, &["pipeline.deadline_ms=30", "http.listen=127.0.0.1:9"]).unwrap();
        assert_eq!((config.pipeline.deadline_ms, config.pipeline.max_count), (30, 7));
        assert_eq!(config.train.als.map(|als| als.factors), Some(32));
        assert_eq!((config.http.listen.as_str(), config.http.max_events), ("127.0.0.1:9", 5));
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_place() {
        let text = "[pipeline]\ndeadline_ms = \"soon\"\ndeadlin = 3\n[pipeline.votes]\nhalf_rank = 0\n[train.als]\nfactors = 0\n[moon]\nx = 1\n";
        let error = load_text(text, &["pipeline.max_count=-1", "nonsense"]).unwrap_err().to_string();
        for part in [
            "pipeline.deadline_ms",
            "pipeline.deadlin ",
            "moon.x",
            "pipeline.max_count (--set)",
            "nonsense",
            "half_rank is 0",
            "factors is 0",
            "reco.toml",
        ] {
            assert!(error.contains(part), "{part} is not in\n{error}");
        }
    }

    #[test]
    fn numbers_may_be_written_with_powers_of_ten() {
        let set = ["train.als.regularization=5e-3", "train.blend.regularization=[1e-1, 2E+0]"];
        let config = load_text("", &set).unwrap();
        let als = config.train.als.unwrap();
        assert_eq!(als.regularization.to_bits(), 5e-3f32.to_bits());
        assert_eq!(config.train.blend.unwrap().regularization, [0.1, 2.0]);
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        for (set, said) in [
            ("weights.at_least.rating=false", "weights.at_least.rating (--set): is false, must be a number"),
            ("weights.rating=much", "weights.rating (--set): is \"much\", must be a number"),
            (
                "pipeline.max_count=-1",
                "pipeline.max_count (--set): is -1, must be a whole number not below 0",
            ),
            ("http.listen=8080", "http.listen (--set): is 8080, must be text"),
            (
                "weights.at_least={Rating=x,star=[1]}",
                "weights.at_least.rating (--set): is \"x\", must be a number",
            ),
            (
                "weights.at_least={Rating=x,star=[1]}",
                "weights.at_least.star (--set): is a list, must be a number",
            ),
            (
                "weights={add-to-cart=1,Add_To_Cart=2}",
                "`weights.Add_To_Cart` and `weights.add-to-cart` (--set) are the same action",
            ),
            ("train.popular=false", "train.popular (--set): cannot be switched off"),
            (
                "pipeline.seen=within_days",
                "pipeline.seen (--set): `within_days` needs a value, as { within_days = 1 }",
            ),
            ("=3", "--set =3: must be KEY=VALUE"),
            ("train..als=3", "--set train..als=3: must be KEY=VALUE"),
            ("clock=7", "clock (--set): is 7, must be one of auto, system, data"),
            (
                "pipeline.seen=often",
                "pipeline.seen (--set): is \"often\", must be one of never, within_days, always",
            ),
            (
                "pipeline.seen={within_days=x}",
                "pipeline.seen.within_days (--set): is \"x\", must be a number",
            ),
            ("train.als=5", "train.als (--set): is 5, must be a table of settings, as { name = 1 }"),
            ("train.ease=maybe", "train.ease"),
            ("http.port=1", "http.port (--set): there is no such setting; there are listen, "),
            ("pipeline.only=price ~ 3", "column 7"),
            (
                "pipeline.rerank.pins=tea",
                "pipeline.rerank.pins (--set): is \"tea\", must be a list, as [1, 2]",
            ),
        ] {
            let error = load_text("", &[set]).unwrap_err().to_string();
            assert!(error.contains(said), "{set}: {error}");
        }
    }

    #[test]
    fn actions_are_meant_however_they_are_spelt() {
        let text = "[weights]\nPurchase = 0\nadd-to-cart = 0.5\n[weights.at_least]\nRating = 3\n";
        let config = load_text(text, &["weights.Add-To-Cart=0", "weights.at_least.My Star=2"]).unwrap();
        let weights = &config.weights;
        assert_eq!((weights.get(&"purchase".into()), weights.get(&"add_to_cart".into())), (0.0, 0.0));
        assert_eq!((weights.at_least(&"rating".into()), weights.at_least(&"my_star".into())), (3.0, 2.0));
        let error = load_text("[weights]\nPurchase = 0\npurchase = 1\n", &[]).unwrap_err().to_string();
        assert!(error.contains("`weights.Purchase` and `weights.purchase` ("), "{error}");
    }

    #[test]
    fn a_patch_changes_what_is_trained_and_served_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let patch = folder.path().join("wide.toml");
        let mut config = Config::default();
        config.train.vector_neighbors = 7;
        fs::write(&patch, "pipeline.deadline_ms = 20\n[train]\nease = true\n[train.als]\nfactors = 8\n")
            .unwrap();
        let patched = sound(patched(&config, &patch)).unwrap();
        assert_eq!((patched.train.vector_neighbors, patched.pipeline.deadline_ms), (7, 20));
        assert!(patched.train.als.unwrap().factors == 8 && patched.train.ease.is_some());
        fs::write(&patch, "judge.k = [3]\nclean.outliers = 0\n[train.als]\nfactor = 8\nfactors = 0\n")
            .unwrap();
        let error = sound(super::patched(&config, &patch)).unwrap_err().to_string();
        for part in [
            "judge.k (",
            "clean.outliers (",
            "train.als.factor (",
            "factors is 0",
            "only `train` and `pipeline`",
        ] {
            assert!(error.contains(part), "{part} is not in\n{error}");
        }
        let missing = sound(super::patched(&config, folder.path())).unwrap_err().to_string();
        assert!(missing.contains("is a folder"), "{missing}");
    }

    #[test]
    fn dates_may_stand_in_quotes_or_not() {
        let bare =
            load_text("[clean]\nfrom = 2017-06-01\nuntil = 2017-06-02T12:00:00Z\n", &[]).unwrap().clean;
        let quoted =
            load_text("[clean]\nfrom = '2017-06-01'\n", &["clean.until=2017-06-02T12:00"]).unwrap().clean;
        assert_eq!((bare.from.map(Timestamp::millis), &bare), (Some(1_496_275_200_000), &quoted));
        let error = load_text("", &["clean.from=soon", "clean.last_days=-1"]).unwrap_err().to_string();
        assert!(error.contains("clean.from (--set)") && error.contains("last_days is -1"), "{error}");
    }

    #[test]
    fn columns_may_be_named_for_the_files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let spec =
            |path: &Path| ImportSpec { interactions: Some(FileSpec::new(path)), ..ImportSpec::default() };
        let mut of_folder = spec(folder.path());
        assert_eq!(map_column(&mut of_folder, "items.title=label"), Ok(()));
        assert_eq!(of_folder.items.map(|file| file.columns["title"].clone()), Some("label".to_owned()));
        let mut of_file = spec(&folder.path().join("a.csv"));
        assert!(map_column(&mut of_file, "items.title=label").is_err());
    }

    #[test]
    fn the_defaults_are_sound_and_survive_printing() {
        let config = Config::default();
        assert_eq!(config.problems(), [""; 0]);
        let printed = toml::to_string(&config).unwrap();
        let mut expected = config;
        expected.http.max_events = 5;
        assert_eq!(load_text(&printed, &[]).unwrap(), expected, "{printed}");
    }
}
