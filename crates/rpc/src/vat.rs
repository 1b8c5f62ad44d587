//! The two-party network of capnp-rpc, mended where it and workerd disagree.
//!
//! * workerd sends a JavaScript error's own properties as details of a Cap'n Proto exception, and capnp-rpc reads and
//!   writes exceptions without details. They travel through Rust at the end of the reason, behind a mark that no
//!   worker can guess, and become details again when the exception leaves.
//! * workerd ends a session by resolving a promise to a null capability. capnp-rpc drops the connection over that, so
//!   it is read as an exception that [`resolved_to_null`] recognises, and written where a promise fails with [`null`].
//! * Calls that workerd reflects to us would never run: see [`crate::tail_calls`].

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator, ReaderOptions};
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{Connection, FlowController, IncomingMessage, OutgoingMessage, RpcSystem, twoparty};
use futures::TryFutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use crate::corked::Corked;
use crate::schema::rpc_exception_capnp::{cap_descriptor, exception, message, resolve, return_};
use crate::tail_calls::TailCalls;

/// For calls, the limit of what one received message may make us read, in 8-byte words. workerd takes messages of up to 64 MiB, and
/// forwarding reads a message up to three times.
pub(crate) const CALLS_LIMIT_WORDS: usize = 3 * (64 << 20) / 8 + 1024;

/// Random for each process: with a mark that worker code could write into an error, it could hand its caller bytes
/// for the V8 deserializer.
static DETAILS_MARK: LazyLock<String> = LazyLock::new(|| format!("\u{1}{:032x}:", rand::random::<u128>()));
static NULL_MARK: LazyLock<String> = LazyLock::new(|| format!("\u{1}{:032x}", rand::random::<u128>()));

/// Waits until a promise that the peer made resolves to a null capability.
///
/// # Errors
/// What the promise failed with instead, such as the loss of the connection.
pub(crate) async fn resolved_to_null(promise: capnp::capability::Client) -> capnp::Result<()> {
    promise.when_resolved().await?;
    // A promise that failed counts as resolved; only calling it tells with what.
    let call = promise.new_call::<capnp::any_pointer::Owned, capnp::any_pointer::Owned>(0, 0, None);
    match call.send().promise.await {
        Err(error) if !error.extra.contains(NULL_MARK.as_str()) => Err(error),
        _ => Ok(()),
    }
}

/// What a promise that is exported has to fail with so that the peer sees it resolve to a null capability.
pub(crate) fn null() -> capnp::Error {
    capnp::Error::failed(NULL_MARK.clone())
}

/// The text of an error without what this module put into it, nor the prefix that every hop adds.
pub(crate) fn readable(error: &capnp::Error) -> String {
    let mut text = error.extra.split(DETAILS_MARK.as_str()).next().unwrap_or_default();
    while let Some(rest) = text.strip_prefix("remote exception: ") {
        text = rest;
    }
    text.to_owned()
}

/// Makes the RPC system of one connection, on a `LocalSet`. `side` is our own, `limit_words` what one received message may make us
/// read, in 8-byte words.
pub(crate) fn system(
    reader: impl AsyncRead + Unpin + 'static,
    writer: impl AsyncWrite + Unpin + 'static,
    side: Side,
    bootstrap: Option<capnp::capability::Client>,
    limit_words: usize,
) -> RpcSystem<Side> {
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(limit_words));
    let reader = futures::io::BufReader::new(reader.compat());
    let network = Network(twoparty::VatNetwork::new(reader, Corked::new(writer), side, options));
    RpcSystem::new(Box::new(network), bootstrap)
}

struct Network<N>(N);

impl<N: capnp_rpc::VatNetwork<Side>> capnp_rpc::VatNetwork<Side> for Network<N> {
    fn connect(&mut self, host: Side) -> Option<Box<dyn Connection<Side>>> {
        Some(Box::new(Mended::new(self.0.connect(host)?)))
    }

    fn accept(&mut self) -> Promise<Box<dyn Connection<Side>>, capnp::Error> {
        let wrapped =
            self.0.accept().map_ok(|inner| Box::new(Mended::new(inner)) as Box<dyn Connection<Side>>);
        Promise::from_future(wrapped)
    }

    fn drive_until_shutdown(&mut self) -> Promise<(), capnp::Error> {
        self.0.drive_until_shutdown()
    }
}

struct Mended {
    inner: Box<dyn Connection<Side>>,
    tail_calls: Rc<RefCell<TailCalls>>,
}

impl Mended {
    fn new(inner: Box<dyn Connection<Side>>) -> Self {
        Self { inner, tail_calls: Rc::default() }
    }
}

impl Connection<Side> for Mended {
    fn get_peer_vat_id(&self) -> Side {
        self.inner.get_peer_vat_id()
    }

    fn new_outgoing_message(&mut self, first_segment_word_size: u32) -> Box<dyn OutgoingMessage> {
        let inner = self.inner.new_outgoing_message(first_segment_word_size);
        Box::new(Outgoing { inner, tail_calls: self.tail_calls.clone() })
    }

    fn receive_incoming_message(&mut self) -> Promise<Option<Box<dyn IncomingMessage>>, capnp::Error> {
        if let Some(message) = self.tail_calls.borrow_mut().to_receive.pop_front() {
            return Promise::ok(Some(Box::new(Rewritten(message))));
        }
        let message = self.inner.receive_incoming_message();
        let tail_calls = self.tail_calls.clone();
        Promise::from_future(async move {
            let Some(message) = message.await? else { return Ok(None) };
            tail_calls.borrow_mut().received(message.get_body()?.get_as()?)?;
            Ok(Some(match mend_incoming(message.as_ref())? {
                Some(mended) => Box::new(Rewritten(mended)),
                None => message,
            }))
        })
    }

    fn new_stream(&mut self) -> (Box<dyn FlowController>, Promise<(), capnp::Error>) {
        self.inner.new_stream()
    }

    fn shutdown(&mut self, result: capnp::Result<()>) -> Promise<(), capnp::Error> {
        self.inner.shutdown(result)
    }
}

struct Rewritten(Builder<HeapAllocator>);

impl IncomingMessage for Rewritten {
    fn get_body(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.0.get_root_as_reader()
    }
}

struct Outgoing {
    inner: Box<dyn OutgoingMessage>,
    tail_calls: Rc<RefCell<TailCalls>>,
}

impl Outgoing {
    fn is_kept(&self) -> capnp::Result<bool> {
        self.tail_calls.borrow_mut().keeps(self.inner.get_body_as_reader()?.get_as()?)
    }
}

impl OutgoingMessage for Outgoing {
    fn get_body(&mut self) -> capnp::Result<capnp::any_pointer::Builder<'_>> {
        self.inner.get_body()
    }

    fn get_body_as_reader(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.inner.get_body_as_reader()
    }

    fn send(mut self: Box<Self>) -> (Promise<(), capnp::Error>, Rc<Builder<HeapAllocator>>) {
        if self.is_kept().unwrap_or(false) {
            return (Promise::ok(()), Rc::new(self.inner.take()));
        }
        if let Err(error) = mend_outgoing(self.inner.as_mut()) {
            tracing::debug!(%error, "an exception passes without its details");
        }
        self.inner.send()
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.inner.take()
    }

    fn size_in_words(&self) -> usize {
        self.inner.size_in_words()
    }
}

/// Returns the message to read instead, if any.
fn mend_incoming(message: &dyn IncomingMessage) -> capnp::Result<Option<Builder<HeapAllocator>>> {
    let root: message::Reader<'_> = message.get_body()?.get_as()?;
    // Kinds of message that the schema leaves out are none of our business.
    let Ok(kind) = root.which() else { return Ok(None) };
    let found = match kind {
        message::Return(ret) => match ret?.which() {
            Ok(return_::Exception(exception)) => exception?,
            _ => return Ok(None),
        },
        message::Resolve(resolve) => {
            let resolve = resolve?;
            match resolve.which() {
                Ok(resolve::Exception(exception)) => exception?,
                Ok(resolve::Cap(cap)) => {
                    if !matches!(cap?.which(), Ok(cap_descriptor::None(()))) {
                        return Ok(None);
                    }
                    let mut mended = Builder::new_default();
                    let mut out = mended.init_root::<message::Builder<'_>>().init_resolve();
                    out.set_promise_id(resolve.get_promise_id());
                    out.init_exception().set_reason(NULL_MARK.as_str());
                    return Ok(Some(mended));
                }
                _ => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    if !found.has_details() {
        return Ok(None);
    }
    let mut reason = found.get_reason()?.to_str()?.to_owned();
    reason.push_str(&DETAILS_MARK);
    for (index, detail) in found.get_details()?.iter().enumerate() {
        if index > 0 {
            reason.push(',');
        }
        reason.push_str(&format!("{:x}=", detail.get_detail_id()));
        BASE64.encode_string(detail.get_data()?, &mut reason);
    }
    let mut mended = Builder::new_default();
    mended.set_root(root)?;
    if let Some(mut exception) = exception_of(mended.get_root()?)? {
        exception.set_reason(&reason);
    }
    Ok(Some(mended))
}

fn mend_outgoing(outgoing: &mut dyn OutgoingMessage) -> capnp::Result<()> {
    let root: message::Reader<'_> = outgoing.get_body_as_reader()?.get_as()?;
    let reason = match root.which() {
        Ok(message::Return(ret)) => match ret?.which() {
            Ok(return_::Exception(exception)) => exception?.get_reason()?,
            _ => return Ok(()),
        },
        Ok(message::Resolve(resolve)) => match resolve?.which() {
            Ok(resolve::Exception(exception)) => exception?.get_reason()?,
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    if reason.to_str()?.contains(NULL_MARK.as_str()) {
        let root: message::Builder<'_> = outgoing.get_body()?.get_as()?;
        if let Ok(message::Resolve(resolve)) = root.which() {
            resolve?.init_cap().set_none(());
        }
        return Ok(());
    }
    let Some((text, details)) = reason.to_str()?.split_once(DETAILS_MARK.as_str()) else { return Ok(()) };
    let (text, details) = (text.to_owned(), parse_details(details));
    let Some(mut exception) = exception_of(outgoing.get_body()?.get_as()?)? else { return Ok(()) };
    exception.set_reason(&text);
    let mut list = exception.init_details(details.len() as u32);
    for (index, (id, data)) in details.iter().enumerate() {
        let mut detail = list.reborrow().get(index as u32);
        detail.set_detail_id(*id);
        detail.set_data(data);
    }
    Ok(())
}

fn parse_details(text: &str) -> Vec<(u64, Vec<u8>)> {
    text.split(',')
        .filter_map(|detail| {
            let (id, data) = detail.split_once('=')?;
            Some((u64::from_str_radix(id, 16).ok()?, BASE64.decode(data).ok()?))
        })
        .collect()
}

fn exception_of(root: message::Builder<'_>) -> capnp::Result<Option<exception::Builder<'_>>> {
    Ok(match root.which() {
        Ok(message::Return(ret)) => match ret?.which() {
            Ok(return_::Exception(exception)) => Some(exception?),
            _ => None,
        },
        Ok(message::Resolve(resolve)) => match resolve?.which() {
            Ok(resolve::Exception(exception)) => Some(exception?),
            _ => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_resolved_to_null_reads_as_its_end() {
        let mut sent = Builder::new_default();
        let mut resolve = sent.init_root::<message::Builder<'_>>().init_resolve();
        resolve.set_promise_id(7);
        resolve.init_cap().set_none(());
        let mended = mend_incoming(&Rewritten(sent)).unwrap().expect("another message");
        let root: message::Reader<'_> = mended.get_root_as_reader().unwrap();
        let Ok(message::Resolve(Ok(resolve))) = root.which() else { panic!("not a resolve") };
        assert_eq!(resolve.get_promise_id(), 7);
        let Ok(resolve::Exception(Ok(exception))) = resolve.which() else { panic!("not an exception") };
        assert_eq!(exception.get_reason().unwrap(), NULL_MARK.as_str());
    }

    #[test]
    fn a_resolution_to_something_is_left_alone() {
        let mut sent = Builder::new_default();
        sent.init_root::<message::Builder<'_>>().init_resolve().init_cap().set_sender_hosted(3);
        assert!(mend_incoming(&Rewritten(sent)).unwrap().is_none());
    }
}
