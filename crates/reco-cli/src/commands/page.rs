//! `reco recommend` and `reco similar`: one page in the terminal.

use crate::args::{PageArgs, RecommendArgs, SimilarArgs};
use crate::{Failure, Session, model, output};
use reco_core::explain::{reasons, why_not_sentence};
use reco_core::page::Page;
use reco_core::pipeline::Recommender;
use reco_core::request::{Context, Request, Surface, listed};
use reco_http::PageJson;

pub(crate) fn recommend(session: &Session, args: &RecommendArgs) -> Result<(), Failure> {
    let surface = args.category.as_deref().map_or(Surface::Home, |name| Surface::Category(name.into()));
    let request = Request::for_user(args.user.as_str()).surface(surface);
    let request = filled(request, &args.page)?;
    let recommender = model::recommender(session, model::snapshot(session, &args.model)?)?;
    if recommender.snapshot().users.row(&args.user).is_none() {
        output::note(&format!("user `{}` is not in the data; this is what a new user gets", args.user));
    }
    show(session, &recommender, request, &args.page)
}

pub(crate) fn similar(session: &Session, args: &SimilarArgs) -> Result<(), Failure> {
    let user = args.user.as_deref().unwrap_or_default();
    let request = Request::for_user(user).surface(Surface::Similar(args.item.as_str().into()));
    let request = filled(request, &args.page)?;
    let recommender = model::recommender(session, model::snapshot(session, &args.model)?)?;
    show(session, &recommender, request, &args.page)
}

/// The request with everything a page is asked with; nobody should wait for training to learn of a slip in it.
fn filled(request: Request, args: &PageArgs) -> Result<Request, Failure> {
    let keys = |lists: &[String]| lists.iter().flat_map(|list| listed(list)).collect::<Vec<_>>();
    let request =
        request.count(args.count).exclude(keys(&args.exclude)).why_not(keys(&args.why_not)).seed(args.seed);
    Ok(match &args.filter {
        Some(filter) => request.filter(filter.parse()?),
        None => request,
    })
}

fn show(
    session: &Session,
    recommender: &Recommender,
    request: Request,
    args: &PageArgs,
) -> Result<(), Failure> {
    let time = args.time.or_else(|| model::end_of_old_data(session, &recommender.snapshot()));
    let request = request.context(Context { time, ..Context::default() });
    let user = request.user.clone();
    let page = recommender.recommend_now(request)?;
    let catalog = &recommender.snapshot().catalog;
    if session.json {
        return output::json(&PageJson::new("", &user, &page, catalog));
    }
    output::text(&rendered(&page, catalog, args.why));
    for remark in &page.remarks {
        output::note(&format!("note: {remark}"));
    }
    for warning in page.warnings() {
        output::note(&format!("warning: {}", warning.message));
    }
    Ok(())
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
        table.add_row([
            &rank,
            item.key.as_str(),
            catalog.title(item.id),
            category,
            &price,
            &score,
            &lines.join("\n"),
        ]);
    }
    let mut text = format!("{table}\nrung {}, snapshot {}", page.rung, page.snapshot);
    for answer in &page.why_not {
        text.push_str(&format!("\nwhy not {}: {}", answer.item, why_not_sentence(&answer.reason)));
    }
    text
}
