import CLibbpf
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// A map with a value for each key and CPU, as counters have.
public struct PerCPUMap<Key: BitwiseCopyable, Value: BitwiseCopyable>: ~Copyable, Sendable {
    private let map: Map<Key, Value>

    init(name: String, duplicating descriptor: Int32) throws(SystemError) {
        map = try Map(name: name, duplicating: descriptor, isPerCPU: true)
    }

    /// Opens a pinned map.
    public init(pinnedAt path: String) throws(SystemError) {
        map = try Map(path: path, isPerCPU: true)
    }

    /// Returns the value of every possible CPU, or nil if there is no entry.
    public func values(for key: Key) throws(SystemError) -> [Value]? {
        let processors = libbpf_num_possible_cpus()
        guard processors > 0 else { throw SystemError(code: -processors, call: "libbpf_num_possible_cpus") }
        // The kernel rounds each CPU's value up to eight bytes.
        let stride = (MemoryLayout<Value>.size + 7) & ~7
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: stride * Int(processors), alignment: 16)
        defer { buffer.deallocate() }
        var key = key
        let result = bpf_map_lookup_elem(map.descriptor, &key, buffer.baseAddress)
        if result == -ENOENT { return nil }
        try map.require(result, "bpf_map_lookup_elem")
        return (0..<Int(processors)).map { buffer.loadUnaligned(fromByteOffset: $0 * stride, as: Value.self) }
    }

    /// Returns all entries. They are read one after the other, so this is no snapshot.
    public func entries() throws(SystemError) -> [(key: Key, values: [Value])] {
        var entries: [(key: Key, values: [Value])] = []
        for key in try map.keys() {
            if let values = try values(for: key) { entries.append((key, values)) }
        }
        return entries
    }

    /// Removes the entry. Returns false if there was none.
    @discardableResult
    public func removeValue(for key: Key) throws(SystemError) -> Bool {
        try map.removeValue(for: key)
    }
}
