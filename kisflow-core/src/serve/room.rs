//! [`Rooms`]: how many deliveries, and how many bytes of rows, are in progress at once.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How many deliveries of a flow, and how many bytes of their rows, are in progress at once.
pub(super) struct Rooms {
    deliveries: Arc<Semaphore>,
    bytes: AtomicU64,
    most_bytes: u64,
    /// Bytes are in progress no more.
    freed: Notify,
}

/// A delivery's room among those that are in progress, until this is dropped.
pub(super) struct Room {
    bytes: u64,
    rooms: Arc<Rooms>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Rooms {
    pub(super) fn new(deliveries: usize, most_bytes: u64) -> Arc<Self> {
        let deliveries = Arc::new(Semaphore::new(deliveries.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { deliveries, bytes: AtomicU64::new(0), most_bytes, freed: Notify::new() })
    }

    /// Room for one more delivery, if there is some now.
    pub(super) fn try_enter(self: &Arc<Self>) -> Option<Room> {
        if !self.has_bytes() {
            return None;
        }
        let permit = self.deliveries.clone().try_acquire_owned().ok()?;
        Some(self.room(permit))
    }

    /// Room for one more delivery, as soon as there is some.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, no room is taken.
    pub(super) async fn enter(self: &Arc<Self>) -> Option<Room> {
        let permit = self.deliveries.clone().acquire_owned().await.ok()?;
        loop {
            let freed = self.freed.notified();
            if self.has_bytes() {
                return Some(self.room(permit));
            }
            freed.await;
        }
    }

    /// The size of a delivery is known when it has been read: one has to fit in any case.
    fn has_bytes(&self) -> bool {
        self.bytes.load(Ordering::Acquire) < self.most_bytes
    }

    fn room(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Room {
        Room { bytes: 0, rooms: self.clone(), permit: Some(permit) }
    }
}

impl Room {
    /// Lets another delivery in, although the bytes of this one are held for longer.
    pub(super) fn let_next_in(&mut self) {
        self.permit = None;
    }

    /// Counts the bytes of the delivery.
    pub(super) fn holds(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.rooms.bytes.fetch_add(bytes, Ordering::AcqRel);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.rooms.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.rooms.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_so_many_deliveries_and_so_many_bytes_and_for_one_of_any_size() {
        let rooms = Rooms::new(3, 100);
        let has_room = async || {
            let room = timeout(Duration::from_secs(1), rooms.enter()).await.is_ok();
            assert_eq!(rooms.try_enter().is_some(), room);
            room
        };
        let mut first = rooms.try_enter().unwrap();
        first.holds(99);
        let mut second = rooms.enter().await.unwrap();
        second.holds(1_000);
        assert!(!has_room().await, "there are too many bytes");
        let entering = tokio::spawn({
            let rooms = rooms.clone();
            async move { rooms.enter().await }
        });
        tokio::task::yield_now().await;
        drop(second);
        let third = entering.await.unwrap().unwrap();
        let fourth = rooms.try_enter().unwrap();
        assert!(!has_room().await, "there are too many deliveries");
        drop((third, fourth));
        assert!(has_room().await);
    }
}
