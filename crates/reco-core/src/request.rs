//! What a caller asks for.

use crate::event::EventId;
use crate::id::{ItemKey, UserKey};
use crate::predicate::Predicate;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where the page will be shown; each surface has its own generators and quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Surface {
    /// "For you": rests on the user's history.
    #[default]
    Home,
    /// Beside one item: rests on that item.
    Similar(ItemKey),
    /// Inside one category: like home, limited to that category.
    Category(Arc<str>),
}

impl Surface {
    /// The names of all surfaces.
    pub const NAMES: [&'static str; 3] = ["home", "similar", "category"];

    /// The name in configuration and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Similar(_) => "similar",
            Self::Category(_) => "category",
        }
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home => f.write_str("home"),
            Self::Similar(item) => write!(f, "similar to {item}"),
            Self::Category(name) => write!(f, "category {name}"),
        }
    }
}

/// The circumstances of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// When the request counts as made; the clock's wall time unless set. Setting it replays a request.
    pub time: Option<Timestamp>,
    /// Device class, as the caller names it: for parts of one's own, since no built-in part looks at it.
    pub device: Option<String>,
    /// Items of the running session, oldest first, beyond what the events say. Where seen items are dropped, these
    /// count as had just now.
    pub session_items: Vec<ItemKey>,
}

/// Keys as people list them: divided by commas; a backslash before a comma or a backslash makes it part of the
/// key. Empty ones are left out.
///
/// ```
/// use reco_core::request::listed;
///
/// assert_eq!(listed(r"tea,salt\, fine").iter().map(|key| key.as_str()).collect::<Vec<_>>(), ["tea", "salt, fine"]);
/// ```
pub fn listed(text: &str) -> Vec<ItemKey> {
    let mut keys = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let escaped = letter == '\\' && matches!(letters.peek(), Some(',' | '\\'));
        match (letter, keys.last_mut()) {
            (',', _) => keys.push(String::new()),
            (_, Some(key)) if escaped => key.extend(letters.next()),
            (_, Some(key)) => key.push(letter),
            (_, None) => {}
        }
    }
    keys.into_iter().filter(|key| !key.is_empty()).map(ItemKey::from).collect()
}

/// One request for a page.
///
/// ```
/// use reco_core::request::Request;
///
/// let request = Request::for_user("ann").count(20).filter("price < 20 and brand != \"acme\"".parse()?);
/// assert_eq!(request.count, 20);
/// # Ok::<(), reco_core::predicate::PredicateError>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[must_use]
pub struct Request {
    /// Who asks.
    pub user: UserKey,
    /// Items wanted, at least 1.
    pub count: usize,
    /// Where they will be shown.
    pub surface: Surface,
    /// Circumstances.
    pub context: Context,
    /// Only items that match.
    pub filter: Option<Predicate>,
    /// Never these.
    pub exclude: Vec<ItemKey>,
    /// Whether every item says why it is there.
    pub explain: bool,
    /// Items whose absence is to be explained.
    pub why_not: Vec<ItemKey>,
    /// Seed of parts that draw at random; of the built-in ones only exploration for new users does. Places that explore go by
    /// [`draw`](Self::draw).
    pub seed: u64,
    /// Seed of the places that a pipeline with `explore` fills by chance; by rank, as if it did not explore, unless set.
    #[serde(skip)]
    pub draw: Option<u64>,
    /// Time allowed; the pipeline's default unless set.
    pub within: Option<Duration>,
    /// Ties the page to later events; shown as the response's request id.
    #[serde(skip)]
    pub id: Option<EventId>,
    /// Whether the page is computed even if one is kept that fits.
    #[serde(skip)]
    pub anew: bool,
}

impl Request {
    /// Ten items for the home surface, with reasons.
    pub fn for_user(user: impl Into<UserKey>) -> Self {
        Self {
            user: user.into(),
            count: 10,
            surface: Surface::Home,
            context: Context::default(),
            filter: None,
            exclude: Vec::new(),
            explain: true,
            why_not: Vec::new(),
            seed: 0,
            draw: None,
            within: None,
            id: None,
            anew: false,
        }
    }

    /// Ten items like `item`, for nobody in particular.
    pub fn similar_to(item: impl Into<ItemKey>) -> Self {
        Self::for_user("").surface(Surface::Similar(item.into()))
    }

    /// Sets the number of items.
    pub fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// Sets the surface.
    pub fn surface(mut self, surface: Surface) -> Self {
        self.surface = surface;
        self
    }

    /// Sets the context.
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Only items that match `filter`.
    pub fn filter(mut self, filter: Predicate) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Never these items.
    pub fn exclude(mut self, items: impl IntoIterator<Item = impl Into<ItemKey>>) -> Self {
        self.exclude.extend(items.into_iter().map(Into::into));
        self
    }

    /// Switches reasons on or off.
    pub fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// Asks why these items are not on the page.
    pub fn why_not(mut self, items: impl IntoIterator<Item = impl Into<ItemKey>>) -> Self {
        self.why_not.extend(items.into_iter().map(Into::into));
        self
    }

    /// Sets the seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets chance fill the places that explore, by this seed: the same seed, the same page.
    pub fn draw(mut self, seed: u64) -> Self {
        self.draw = Some(seed);
        self
    }

    /// The same by a text that tells this request from others, such as its id.
    ///
    /// ```
    /// use reco_core::request::Request;
    ///
    /// let draw = |id| Request::for_user("ann").draw_by(id).draw;
    /// assert!(draw("a1") == draw("a1") && draw("a1") != draw("a2"));
    /// ```
    pub fn draw_by(self, id: &str) -> Self {
        // FNV-1a: the same number on every machine.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        self.draw(id.bytes().fold(0xCBF2_9CE4_8422_2325, mix))
    }

    /// Asks for a page computed now, whatever is kept.
    pub fn anew(mut self) -> Self {
        self.anew = true;
        self
    }

    /// Sets the time allowed.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }
}
