import BPF
import LinuxKernel

/// A map that the agent alone writes: updates wait until `flush`, so that many go in one call, and a digest says what
/// it holds when nothing waits.
struct MarkedMap<Key: BitwiseCopyable & Sendable, Value: BitwiseCopyable & Sendable>: ~Copyable, Sendable {
    private var queue: QueuedUpdates<Key, Value>
    private(set) var digest = MapDigest()

    init(pinnedAt path: String) throws(SystemError) { queue = QueuedUpdates(try Map(pinnedAt: path)) }

    /// - Parameter before: what the key has now, or will have when what waits is done; nil: nothing.
    /// - Returns: whether so many updates wait that it is time to flush.
    @discardableResult
    mutating func update(_ value: Value, for key: Key, before: Value?) -> Bool {
        if let before { digest.remove(key, before) }
        digest.insert(key, value)
        return queue.update(value, for: key)
    }

    /// At once; nothing may wait.
    mutating func removeValue(for key: Key, before: Value) throws(SystemError) {
        try queue.map.removeValue(for: key)
        digest.remove(key, before)
    }

    mutating func flush() throws(SystemError) { try queue.flush() }

    /// What waits is not carried out; the digest has to be measured.
    mutating func forget() { queue.forget() }

    /// Takes the digest of what the kernel has.
    mutating func measure() throws(SystemError) { digest = try queue.map.digest() }

    /// What the kernel has, and its digest with it.
    mutating func takeEntries() throws(SystemError) -> [(key: Key, value: Value)] {
        let entries = try queue.map.entries()
        digest = MapDigest()
        for entry in entries { digest.insert(entry.key, entry.value) }
        return entries
    }

    func entries() throws(SystemError) -> [(key: Key, value: Value)] { try queue.map.entries() }

    /// The kernel's number of the map, which no other gets as long as it is there.
    func identifier() throws(SystemError) -> UInt32 { try queue.map.identifier() }
}
