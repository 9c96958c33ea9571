import LinuxKernel
import Synchronization

/// Keeps the latest events of the datapath. When it is full, the oldest ones are overwritten, and counted as lost if
/// nobody has read them.
///
/// Readers ask by sequence number, so any number of them can follow and none needs state here.
final class EventRing<Event: Sendable>: Sendable {
    struct Batch {
        var events: [(sequence: UInt64, event: Event)]
        /// The sequence number of the last event that was examined.
        var next: UInt64
        var lost: UInt64
    }

    private struct Content {
        var slots: [Event?]
        /// Sequence number of the newest event; the first is 1.
        var newest: UInt64 = 0
        /// The highest sequence number that any reader has received.
        var read: UInt64 = 0
        var lost: UInt64 = 0
    }

    private let content: Mutex<Content>
    private let capacity: UInt64
    private let signal = EventSignal()

    init(capacity: Int) {
        self.capacity = UInt64(max(1, capacity))
        content = Mutex(Content(slots: Array(repeating: nil, count: max(1, capacity))))
    }

    func append(_ event: Event) {
        content.withLock { content in
            content.newest += 1
            let overwritten = content.newest > capacity ? content.newest - capacity : 0
            if overwritten > content.read { content.lost += 1 }
            content.slots[Int(content.newest % capacity)] = event
        }
    }

    /// Sequence number of the newest event; 0 before the first.
    var newest: UInt64 { content.withLock { $0.newest } }

    /// Wakes waiting readers, once for many new events.
    func announce() { signal.notify() }

    /// Waits for an event after a sequence number.
    func wait(after sequence: UInt64, until deadline: Deadline) {
        signal.wait(until: deadline) { content.withLock { $0.newest > sequence } }
    }

    /// Counts events that the kernel could not deliver.
    func countLost(_ count: UInt64) {
        content.withLock { $0.lost += count }
    }

    /// Returns up to `limit` events after a sequence number that pass a test, oldest first.
    func events(since: UInt64, limit: Int, where accepts: (Event) -> Bool) -> Batch {
        content.withLock { content in
            let oldest = content.newest >= capacity ? content.newest - capacity + 1 : 1
            var sequence = max(since == .max ? .max : since + 1, oldest)
            var found: [(UInt64, Event)] = []
            while sequence <= content.newest, found.count < limit {
                if let event = content.slots[Int(sequence % capacity)], accepts(event) {
                    found.append((sequence, event))
                }
                sequence += 1
            }
            let next = min(max(since, sequence - 1), content.newest)
            content.read = max(content.read, next)
            return Batch(events: found, next: next, lost: content.lost)
        }
    }
}
