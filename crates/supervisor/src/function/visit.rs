//! Calls that came to a function's process over its host or a route: what is known of each until the process has said
//! what became of it, or has ended without a word.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::INVOKE_HEADER;
use crate::Death;

/// Visits that are remembered of one process. It has one at a time, and may still have to say what became of the last.
const KEPT: usize = 4;

/// Names a visit: the gateway gives every request one, and nobody else can.
const RAY: &str = "cf-ray";

/// A call of a function that came over its host or a route.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Its `CF-Ray`.
    pub ray: HeaderValue,
    /// When the process got it.
    pub began: SystemTime,
    /// Whether it was the first call of its process.
    pub cold: bool,
    /// What was asked; only while somebody watches the function.
    pub head: Option<Box<Head>>,
    /// What was answered, if it was.
    pub status: Option<StatusCode>,
    /// Nobody waits for its answer any more.
    over: bool,
}

/// What a function was asked.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: Uri,
    /// The headers, `Host` among them.
    pub headers: HeaderMap,
}

/// How a visit ended.
#[derive(Debug)]
pub enum Ending {
    /// The process says so, in a line of JSON.
    Said(String),
    /// The process has ended first.
    Died(Death),
}

/// The visits of one process.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    all: Mutex<Vec<Visit>>,
    /// One of them is over.
    ended: Notify,
}

/// A visit that is under way; dropping it says that nobody waits for its answer any more.
pub(crate) struct Going<'a> {
    visits: &'a Visits,
    ray: HeaderValue,
}

impl Going<'_> {
    /// It was answered.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.visits.change(&self.ray, |visit| visit.status = Some(status));
    }

    /// It did not get to the process.
    pub(crate) fn forget(&self) {
        self.visits.all.lock().retain(|visit| visit.ray != self.ray);
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.visits.change(&self.ray, |visit| visit.over = true);
        self.visits.ended.notify_waiters();
    }
}

impl Visits {
    /// A request that goes to the process. None: it is a call of the API's.
    pub(crate) fn begin<B>(&self, request: &Request<B>, cold: bool, watched: bool) -> Option<Going<'_>> {
        let headers = request.headers();
        let ray = headers.get(RAY).filter(|_| !headers.contains_key(INVOKE_HEADER))?;
        let head = watched.then(|| {
            Box::new(Head {
                method: request.method().clone(),
                target: request.uri().clone(),
                headers: headers.clone(),
            })
        });
        let began = SystemTime::now();
        let visit = Visit { ray: ray.clone(), began, cold, head, status: None, over: false };
        let mut all = self.all.lock();
        if all.len() == KEPT {
            all.remove(0);
        }
        all.push(visit);
        Some(Going { visits: self, ray: ray.clone() })
    }

    fn change(&self, ray: &HeaderValue, change: impl FnOnce(&mut Visit)) {
        if let Some(visit) = self.all.lock().iter_mut().find(|visit| visit.ray == ray) {
            change(visit);
        }
    }

    /// The visit that the process speaks of, once its answer is here or nobody waits for it: a process may say what became
    /// of a call before it answers. None where it makes one up.
    pub(crate) async fn take(&self, ray: &str) -> Option<Visit> {
        let mut ended = std::pin::pin!(self.ended.notified());
        loop {
            ended.as_mut().enable();
            {
                let mut all = self.all.lock();
                let at = all.iter().position(|visit| visit.ray.as_bytes() == ray.as_bytes())?;
                if all[at].over {
                    return Some(all.remove(at));
                }
            }
            ended.as_mut().await;
            ended.set(self.ended.notified());
        }
    }

    /// Those that the process has not answered, once it has ended.
    pub(crate) fn lost(&self) -> Vec<Visit> {
        let mut visits = std::mem::take(&mut *self.all.lock());
        visits.retain(|visit| visit.status.is_none());
        visits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ray: &str, invoke: bool) -> Request<()> {
        let request = Request::get("/path?a=b").header(RAY, ray);
        let request = if invoke { request.header(INVOKE_HEADER, "1") } else { request };
        request.body(()).unwrap()
    }

    #[tokio::test]
    async fn what_a_process_says_is_believed_of_its_own_visits_once() {
        let visits = Visits::default();
        let one = visits.begin(&request("one", false), true, false).unwrap();
        let two = visits.begin(&request("two", false), false, true).unwrap();
        assert!(visits.begin(&request("three", true), false, true).is_none());
        // It says so before its answer is here.
        let mut said = std::pin::pin!(visits.take("one"));
        assert!(futures::poll!(&mut said).is_pending());
        one.answered(StatusCode::CREATED);
        drop(one);
        let taken = said.await.unwrap();
        assert_eq!((taken.status, taken.cold, taken.head.is_none()), (Some(StatusCode::CREATED), true, true));
        assert!(visits.take("one").await.is_none() && visits.take("made up").await.is_none());
        drop(two);
        let lost = visits.lost();
        assert_eq!(lost.len(), 1);
        assert_eq!(
            (lost[0].ray.as_bytes(), lost[0].head.as_ref().unwrap().target.path()),
            (&b"two"[..], "/path")
        );
        assert!(visits.lost().is_empty());
    }

    #[test]
    fn who_is_never_spoken_of_is_forgotten() {
        let visits = Visits::default();
        for number in 0..100 {
            visits.begin(&request(&number.to_string(), false), false, false);
        }
        assert_eq!(visits.lost().len(), KEPT);
        visits.begin(&request("gone", false), false, false).unwrap().forget();
        assert!(visits.lost().is_empty());
    }
}
