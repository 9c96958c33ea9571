import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

// Many entries in one call (`BPF_MAP_UPDATE_BATCH`, `BPF_MAP_LOOKUP_BATCH`: Linux 5.6, hash maps first). What the kernel does
// not know of a map it answers with one of `unsupported`, and entries go one by one.

/// ENOTSUPP is the kernel's own number, which no header of user space has.
private let unsupported: Set<Int32> = [-EINVAL, -EOPNOTSUPP, -524, -ENOSPC]

extension Map {
    /// Inserts or replaces, in this order.
    public func update(_ entries: [(key: Key, value: Value)]) throws(SystemError) {
        guard entries.count > 1 else {
            for entry in entries { try update(entry.value, for: entry.key) }
            return
        }
        var keys = entries.map(\.key)
        var values = entries.map(\.value)
        var count = UInt32(entries.count)
        var options = bpf_map_batch_opts()
        options.sz = optionsSize(through: \bpf_map_batch_opts.flags)
        let result = bpf_map_update_batch(descriptor, &keys, &values, &count, &options)
        if unsupported.contains(result) {
            for entry in entries { try update(entry.value, for: entry.key) }
            return
        }
        try require(result, "bpf_map_update_batch")
    }

    /// All entries by batches; nil when the kernel cannot, or when an entry came or went in a way that it cannot follow.
    func batchedEntries() throws(SystemError) -> [(key: Key, value: Value)]? {
        // The most that one call gives; a bucket that holds more ends the attempt.
        let size = 4096
        let keys = UnsafeMutableBufferPointer<Key>.allocate(capacity: size)
        let values = UnsafeMutableBufferPointer<Value>.allocate(capacity: size)
        // Where to go on: four octets, for some types a key.
        let position = UnsafeMutableRawPointer.allocate(byteCount: max(8, MemoryLayout<Key>.size), alignment: 8)
        defer {
            keys.deallocate()
            values.deallocate()
            position.deallocate()
        }
        var entries: [(key: Key, value: Value)] = []
        var options = bpf_map_batch_opts()
        options.sz = optionsSize(through: \bpf_map_batch_opts.flags)
        var isFirst = true
        // Every call goes on behind the last, so that the walk ends; the bound is for kernels that would not.
        for _ in 0...(try capacity() / size + 1) * 64 {
            var count = UInt32(size)
            let result = bpf_map_lookup_batch(
                descriptor, isFirst ? nil : position, position, keys.baseAddress, values.baseAddress, &count, &options)
            if unsupported.contains(result) { return nil }
            if result != -ENOENT { try require(result, "bpf_map_lookup_batch") }
            for index in 0..<min(Int(count), size) { entries.append((keys[index], values[index])) }
            if result == -ENOENT { return entries }
            isFirst = false
        }
        return nil
    }
}

/// Updates of a map that wait, so that many go in one call. Their order stays.
public struct QueuedUpdates<Key: BitwiseCopyable & Sendable, Value: BitwiseCopyable & Sendable>: ~Copyable, Sendable {
    public let map: Map<Key, Value>
    private var waiting: [(key: Key, value: Value)] = []
    private static var most: Int { 4096 }

    public init(_ map: consuming Map<Key, Value>) { self.map = map }

    /// - Returns: whether so many wait that they should be carried out.
    @discardableResult
    public mutating func update(_ value: Value, for key: Key) -> Bool {
        waiting.append((key, value))
        return waiting.count >= Self.most
    }

    /// What waits is not carried out.
    public mutating func forget() { waiting = [] }

    /// Carries out what waits. After an error nothing waits: what was and was not done is in the map.
    public mutating func flush() throws(SystemError) {
        guard !waiting.isEmpty else { return }
        defer { waiting.removeAll(keepingCapacity: true) }
        try map.update(waiting)
    }
}
