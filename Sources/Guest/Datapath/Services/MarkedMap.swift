import BPF
import LinuxKernel

/// A map that only the agent writes. Updates are queued until `flush`, so that many go into one call. A digest tells
/// what the map holds when nothing is queued.
struct MarkedMap<Key: BitwiseCopyable & Sendable, Value: BitwiseCopyable & Sendable>: ~Copyable, Sendable {
    private var queue: QueuedUpdates<Key, Value>
    private(set) var digest = MapDigest()

    init(pinnedAt path: String) throws(SystemError) { queue = QueuedUpdates(try Map(pinnedAt: path)) }

    /// - Parameter before: The key's value now, or after the queue is written; nil if there is none.
    ///
    /// - Returns: True if so many updates are queued that it is time to flush.
    @discardableResult
    mutating func update(_ value: Value, for key: Key, before: Value?) -> Bool {
        if let before { digest.remove(key, before) }
        digest.insert(key, value)
        return queue.update(value, for: key)
    }

    /// Removes the value at once. Nothing may be queued.
    mutating func removeValue(for key: Key, before: Value) throws(SystemError) {
        try queue.map.removeValue(for: key)
        digest.remove(key, before)
    }

    mutating func flush() throws(SystemError) { try queue.flush() }

    /// Discards the queue. After this the digest must be measured again.
    mutating func forget() { queue.forget() }

    /// Computes the digest of the kernel's content.
    mutating func measure() throws(SystemError) { digest = try queue.map.digest() }

    /// Reads the kernel's content and computes its digest.
    mutating func takeEntries() throws(SystemError) -> [(key: Key, value: Value)] {
        let entries = try queue.map.entries()
        digest = MapDigest()
        for entry in entries { digest.insert(entry.key, entry.value) }
        return entries
    }

    func entries() throws(SystemError) -> [(key: Key, value: Value)] { try queue.map.entries() }

    /// The kernel's number of the map. No other map gets it while this one exists.
    func identifier() throws(SystemError) -> UInt32 { try queue.map.identifier() }
}
