import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

// The generic code here runs for tens of thousands of entries, so it is inlinable and other modules specialise it for
// their types. One call handles many entries (`BPF_MAP_UPDATE_BATCH`, `BPF_MAP_LOOKUP_BATCH`, since Linux 5.6 for hash
// maps). When the kernel cannot do that for a map, it returns one of `unsupported`, and entries are handled one by one.

/// ENOTSUPP (524) is a number of the kernel's own, which no user-space header has.
private let unsupported: Set<Int32> = [-EINVAL, -EOPNOTSUPP, -524, -ENOSPC]

extension Map {
    /// Inserts or replaces entries, in this order.
    func update(_ keys: [Key], _ values: [Value]) throws(SystemError) {
        func oneByOne() throws(SystemError) {
            for index in 0..<min(keys.count, values.count) { try update(values[index], for: keys[index]) }
        }
        guard keys.count > 1, keys.count == values.count else { return try oneByOne() }
        var count = UInt32(keys.count)
        var options = bpf_map_batch_opts()
        options.sz = optionsSize(through: \bpf_map_batch_opts.flags)
        let result = bpf_map_update_batch(descriptor, keys, values, &count, &options)
        if unsupported.contains(result) { return try oneByOne() }
        try require(result, "bpf_map_update_batch")
    }

    /// Returns all entries. They are read one after the other, so this is no snapshot.
    @inlinable
    public func entries() throws(SystemError) -> [(key: Key, value: Value)] {
        var entries: [(key: Key, value: Value)] = []
        let isWhole = try visitBatches { keys, values, count in
            let keys = UnsafeBufferPointer(start: keys.assumingMemoryBound(to: Key.self), count: count)
            let values = UnsafeBufferPointer(start: values.assumingMemoryBound(to: Value.self), count: count)
            for index in 0..<count { entries.append((keys[index], values[index])) }
        }
        return isWhole ? entries : try entriesOneByOne()
    }

    /// The digest of all entries.
    @inlinable
    public func digest() throws(SystemError) -> MapDigest {
        var digest = MapDigest()
        let isWhole = try visitBatches { keys, values, count in
            let keys = UnsafeBufferPointer(start: keys.assumingMemoryBound(to: Key.self), count: count)
            let values = UnsafeBufferPointer(start: values.assumingMemoryBound(to: Value.self), count: count)
            for index in 0..<count { digest.insert(keys[index], values[index]) }
        }
        if isWhole { return digest }
        digest = MapDigest()
        for entry in try entriesOneByOne() { digest.insert(entry.key, entry.value) }
        return digest
    }

    @usableFromInline
    func entriesOneByOne() throws(SystemError) -> [(key: Key, value: Value)] {
        var entries: [(key: Key, value: Value)] = []
        for key in try keys() {
            if let value = try value(for: key) { entries.append((key, value)) }
        }
        return entries
    }

    /// - Parameter visit: Is called several times, with arrays of keys and of values and the number of elements in
    ///   each.
    ///
    /// - Returns: False if the kernel does not support this, or entries changed in a way that it cannot follow. Not all
    ///   entries were seen then.
    @usableFromInline
    func visitBatches(
        _ visit: (UnsafeRawPointer, UnsafeRawPointer, Int) -> Void
    ) throws(SystemError) -> Bool {
        // The largest number of entries in one call. If a bucket of the map holds more, the attempt ends.
        let size = 4096
        let keys = UnsafeMutablePointer<Key>.allocate(capacity: size)
        let values = UnsafeMutablePointer<Value>.allocate(capacity: size)
        // Where the next call continues: four bytes or, for some map types, a key.
        let position = UnsafeMutableRawPointer.allocate(byteCount: max(8, MemoryLayout<Key>.size), alignment: 8)
        defer {
            keys.deallocate()
            values.deallocate()
            position.deallocate()
        }
        var options = bpf_map_batch_opts()
        options.sz = optionsSize(through: \bpf_map_batch_opts.flags)
        var isFirst = true
        // Every call continues where the last one ended, so the walk ends. The bound guards against kernels that do
        // not.
        for _ in 0...(try capacity() / size + 1) * 64 {
            var count = UInt32(size)
            let result = bpf_map_lookup_batch(
                descriptor, isFirst ? nil : position, position, keys, values, &count, &options)
            if unsupported.contains(result) { return false }
            if result != -ENOENT { try require(result, "bpf_map_lookup_batch") }
            visit(keys, values, min(Int(count), size))
            if result == -ENOENT { return true }
            isFirst = false
        }
        return false
    }
}

/// Updates of a map that are queued, so that many go into one call. Their order is kept.
public struct QueuedUpdates<Key: BitwiseCopyable & Sendable, Value: BitwiseCopyable & Sendable>: ~Copyable, Sendable {
    public let map: Map<Key, Value>
    @usableFromInline var keys: [Key] = []
    @usableFromInline var values: [Value] = []
    @usableFromInline static var most: Int { 4096 }

    public init(_ map: consuming Map<Key, Value>) { self.map = map }

    /// - Returns: True if so many updates are queued that they should be flushed.
    @inlinable
    @discardableResult
    public mutating func update(_ value: Value, for key: Key) -> Bool {
        keys.append(key)
        values.append(value)
        return keys.count >= Self.most
    }

    /// Discards the queued updates.
    public mutating func forget() {
        keys.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
    }

    /// Carries out the queued updates. After an error the queue is empty, and only the map tells what was done.
    public mutating func flush() throws(SystemError) {
        guard !keys.isEmpty else { return }
        defer { forget() }
        try map.update(keys, values)
    }
}
