//! `reco recommend` and `reco similar`: one page in the terminal.

use crate::args::{ModelArgs, PageArgs, RecommendArgs, SimilarArgs};
use crate::{Failure, Session, model, output};
use reco_core::error::RecommendError;
use reco_core::explain::{reasons, why_not_sentence};
use reco_core::interactions::UserTable;
use reco_core::page::Page;
use reco_core::pipeline::Recommender;
use reco_core::request::{Context, Request, Surface, listed};
use reco_http::PageJson;
use reco_train::data::Dataset;

pub(crate) fn recommend(session: &Session, args: &RecommendArgs) -> Result<(), Failure> {
    let surface = args.category.as_deref().map_or(Surface::Home, |name| Surface::Category(name.into()));
    let request = Request::for_user(args.user.as_str()).surface(surface);
    show(session, request, &args.page, &args.model)
}

pub(crate) fn similar(session: &Session, args: &SimilarArgs) -> Result<(), Failure> {
    let user = args.user.as_deref().unwrap_or_default();
    let request = Request::for_user(user).surface(Surface::Similar(args.item.as_str().into()));
    show(session, request, &args.page, &args.model)
}

/// The request with everything a page is asked with.
fn filled(request: Request, args: &PageArgs) -> Result<Request, Failure> {
    let keys = |lists: &[String]| lists.iter().flat_map(|list| listed(list)).collect::<Vec<_>>();
    let context = Context { session_items: keys(&args.session_items), ..Context::default() };
    let request = request
        .context(context)
        .count(args.count)
        .exclude(keys(&args.exclude))
        .why_not(keys(&args.why_not))
        .seed(args.seed);
    Ok(match &args.filter {
        Some(filter) => request.filter(filter.parse().map_err(|slip| format!("filter: {slip}"))?),
        None => request,
    })
}

/// Makes the page and prints it.
fn show(session: &Session, request: Request, args: &PageArgs, source: &ModelArgs) -> Result<(), Failure> {
    let mut request = filled(request, args)?;
    let (recommender, told) = recommender(session, source, &request)?;
    let time = args.time.or_else(|| model::end_of_old_data(session, &recommender.snapshot()));
    request.context.time = time;
    let user = request.user.clone();
    let page = recommender.recommend_now(request)?;
    let catalog = &recommender.snapshot().catalog;
    session
        .output
        .result(&PageJson::new("", &user, &page, catalog), |_| rendered(&page, catalog, args.why))?;
    if !session.output.json {
        page.remarks
            .iter()
            .filter(|remark| !told.contains(remark))
            .for_each(|remark| session.output.note(remark));
        page.warnings().iter().for_each(|warning| session.output.warning(&warning.message));
    }
    Ok(())
}

/// What makes the page, and the remarks on the request that were made on the way. Nobody should wait for training
/// to learn of a slip in the request.
fn recommender(
    session: &Session,
    source: &ModelArgs,
    request: &Request,
) -> Result<(Recommender, Vec<String>), Failure> {
    if let Some(snapshot) = model::trained(session, source)? {
        note_stranger(session, &snapshot.users, request);
        return Ok((model::recommender(session, snapshot)?, Vec::new()));
    }
    let dataset = model::dataset(session, &source.data)?;
    note_stranger(session, &dataset.log.users, request);
    let told = remarks_before_training(session, &dataset, request)?;
    Ok((model::recommender(session, model::fitted(session, dataset)?)?, told))
}

fn note_stranger(session: &Session, users: &UserTable, request: &Request) {
    let user = request.user.as_str();
    if !user.is_empty() && users.row(user).is_none() {
        session.output.note(&format!("user `{user}` is not in the data; this is what a new user gets"));
    }
}

/// Refuses what no snapshot of this data could make sense of, and remarks on what is asked for in vain.
fn remarks_before_training(
    session: &Session,
    dataset: &Dataset,
    request: &Request,
) -> Result<Vec<String>, Failure> {
    match model::rehearsal(session, dataset)?.candidates_now(request.clone()) {
        Ok((query, _)) => {
            let remarks = query.remarks();
            session.output.remarks(&remarks);
            Ok(remarks)
        }
        Err(slip @ RecommendError::InvalidRequest { .. }) => Err(slip.into()),
        // A source without its model, say, which training will give it.
        Err(_) => Ok(Vec::new()),
    }
}

fn rendered(page: &Page, catalog: &reco_core::catalog::Catalog, why: bool) -> String {
    let mut table = output::table(["#", "item", "title", "category", "price", "score", "why"]);
    for item in &page.items {
        let reasons = item.why.as_ref().map(|why| reasons(why, catalog)).unwrap_or_default();
        let shown = if why { reasons.len() } else { 1 };
        let mut lines: Vec<String> = reasons.into_iter().take(shown).collect();
        if let (true, Some(why)) = (why, &item.why) {
            let votes: Vec<String> = why
                .sources
                .iter()
                .map(|vote| format!("{} #{} ({:.3})", vote.source, vote.rank, vote.score))
                .collect();
            lines.push(votes.join(", "));
        }
        let price = catalog.price(item.id).map(|price| format!("{price:.2}")).unwrap_or_default();
        let category = catalog.category().get(item.id).unwrap_or_default();
        let (rank, score) = (item.rank.to_string(), format!("{:.3}", item.score));
        let cells = [&rank, item.key.as_str(), catalog.title(item.id), category, &price, &score];
        table.add_row_with_lines(cells, &lines);
    }
    let mut text = format!("{table}\nrung {}, snapshot {}", page.rung, page.snapshot);
    for answer in &page.why_not {
        text.push_str(&format!("\nwhy not {}: {}", answer.item, why_not_sentence(&answer.reason)));
    }
    text
}
