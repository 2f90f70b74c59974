//! One connection: log-in, channels, and what is sent on them.

use std::{
    collections::BTreeMap,
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, MethodSet,
    server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, Session as Ssh},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout},
};

use super::{
    PASSWORD, Shared, USER,
    answers::{Files, Out},
};
use crate::support::sftp::{packet::take_packet, script::LogIn};

const BETWEEN_DRIPS: Duration = Duration::from_millis(20);
/// What a channel takes at once.
const PIECE_BYTES: usize = 30_000;

pub struct Session {
    shared: Arc<Shared>,
    socket: TcpStream,
    /// By channel.
    open: BTreeMap<u32, Open>,
    channels: usize,
}

/// A channel on which SFTP is spoken.
struct Open {
    came: Vec<u8>,
    files: Files,
    outs: UnboundedSender<Out>,
}

impl Session {
    pub fn new(socket: TcpStream, shared: Arc<Shared>) -> Self {
        Self { shared, socket, open: BTreeMap::new(), channels: 0 }
    }
}

impl Handler for Session {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.shared.script().banner.clone())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let log_in = self.shared.script().log_in;
        self.shared.counts().log_ins += 1;
        match log_in {
            LogIn::Usual if user == USER && password == PASSWORD => Ok(Auth::Accept),
            LogIn::Usual | LogIn::Refused => Ok(Auth::reject()),
            LogIn::PartialForEver => Ok(Auth::Reject {
                proceed_with_methods: Some(MethodSet::from(&[russh::MethodKind::Password][..])),
                partial_success: true,
            }),
            LogIn::Silent => std::future::pending().await,
        }
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _ssh: &mut Ssh,
    ) -> Result<(), Self::Error> {
        self.channels += 1;
        self.shared.counts().channels += 1;
        if self.channels > self.shared.script().most_channels {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        } else {
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Ssh) -> Result<(), Self::Error> {
        self.open.remove(&channel.into());
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        ssh: &mut Ssh,
    ) -> Result<(), Self::Error> {
        if self.shared.script().is_subsystem_refused || name != "sftp" {
            return ssh.channel_failure(channel);
        }
        let (outs, to_send) = unbounded_channel();
        let files = Files::new(Arc::clone(&self.shared));
        self.open.insert(channel.into(), Open { came: Vec::new(), files, outs });
        self.shared.channels.lock().unwrap().push((ssh.handle(), channel));
        let socket = self.socket.try_clone()?;
        let shared = Arc::clone(&self.shared);
        let sender = Sender { handle: ssh.handle(), channel, socket, shared };
        tokio::spawn(sender.send_all(to_send));
        ssh.channel_success(channel)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        bytes: &[u8],
        ssh: &mut Ssh,
    ) -> Result<(), Self::Error> {
        if self.shared.script().is_curious {
            ssh.keepalive_request()?;
        }
        let Some(open) = self.open.get_mut(&channel.into()) else { return Ok(()) };
        open.came.extend(bytes);
        while let Some((kind, body)) = take_packet(&mut open.came) {
            for out in open.files.answer(kind, &body) {
                // The sender ends with its connection.
                let _ = open.outs.send(out);
            }
        }
        Ok(())
    }
}

/// Sends what there is to send on a channel, in order.
struct Sender {
    handle: Handle,
    channel: ChannelId,
    socket: TcpStream,
    shared: Arc<Shared>,
}

impl Sender {
    async fn send_all(self, mut outs: UnboundedReceiver<Out>) {
        while let Some(first) = outs.recv().await {
            let mut now = vec![first];
            let round = self.shared.script().round;
            if let Some(quiet) = round {
                while let Ok(Some(next)) = timeout(quiet, outs.recv()).await {
                    now.push(next);
                }
                self.shared.counts().rounds += 1;
            }
            for out in now {
                if self.send(out).await.is_none() {
                    return;
                }
            }
        }
    }

    /// `None` where nothing more can be sent.
    async fn send(&self, out: Out) -> Option<()> {
        match out {
            Out::Bytes(bytes) => {
                for piece in bytes.chunks(PIECE_BYTES) {
                    self.handle.data(self.channel, piece.to_vec()).await.ok()?;
                }
            }
            Out::Late(after, bytes) => {
                let (handle, channel) = (self.handle.clone(), self.channel);
                tokio::spawn(async move {
                    sleep(after).await;
                    handle.data(channel, bytes).await
                });
            }
            Out::Drip(bytes) => {
                for byte in bytes.iter().cycle() {
                    self.handle.data(self.channel, vec![*byte]).await.ok()?;
                    sleep(BETWEEN_DRIPS).await;
                }
            }
            Out::Chatter => loop {
                self.handle.extended_data(self.channel, 1, b"still busy\n".to_vec()).await.ok()?;
                sleep(BETWEEN_DRIPS).await;
            },
            Out::Hang => std::future::pending().await,
            Out::CloseChannel => self.handle.close(self.channel).await.ok()?,
            Out::EofChannel => self.handle.eof(self.channel).await.ok()?,
            Out::Cut => {
                // It may be cut already.
                let _ = self.socket.shutdown(Shutdown::Both);
                return None;
            }
        }
        Some(())
    }
}
