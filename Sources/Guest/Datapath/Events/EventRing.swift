import LinuxKernel
import Synchronization

/// The last events of the datapath, bounded: the oldest give way to new ones and are counted as lost when nobody read
/// them.
///
/// Readers ask by sequence number, so any number of them can follow without state here.
final class EventRing<Event: Sendable>: Sendable {
    struct Batch {
        var events: [(sequence: UInt64, event: Event)]
        /// The sequence number of the last event that was looked at.
        var next: UInt64
        var lost: UInt64
    }

    private struct Content {
        var slots: [Event?]
        /// Sequence number of the newest event; the first is 1.
        var newest: UInt64 = 0
        /// Highest sequence number that any reader has got.
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

    /// Tells waiting readers that there are new events; once for many.
    func announce() { signal.notify() }

    /// Waits for an event after a sequence number.
    func wait(after sequence: UInt64, until deadline: Deadline) {
        signal.wait(until: deadline) { content.withLock { $0.newest > sequence } }
    }

    /// Events that the kernel could not hand over.
    func countLost(_ count: UInt64) {
        content.withLock { $0.lost += count }
    }

    /// Up to `limit` events after a sequence number that a test accepts, oldest first.
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
