#if canImport(Glibc)
    import Glibc
#endif

/// Cuts a byte stream into lines, with a limit, so that a peer that never ends a line cannot fill the memory.
struct LineBuffer {
    enum Item: Equatable {
        case line([UInt8])
        /// A line was longer than the limit. The rest of it is skipped.
        case tooLong
    }

    let limit: Int
    private var pending: [UInt8] = []
    private var skipping = false

    init(limit: Int) { self.limit = limit }

    /// Takes bytes and returns the lines that they complete. Empty lines are left out.
    mutating func take(_ bytes: [UInt8]) -> [Item] { bytes.withUnsafeBufferPointer { take($0) } }

    mutating func take(_ bytes: ArraySlice<UInt8>) -> [Item] { bytes.withUnsafeBufferPointer { take($0) } }

    private mutating func take(_ bytes: UnsafeBufferPointer<UInt8>) -> [Item] {
        var items: [Item] = []
        var start = 0
        while let end = LineFeed.position(in: bytes, from: start) {
            add(UnsafeBufferPointer(rebasing: bytes[start..<end]), &items)
            if skipping {
                skipping = false
            } else if !pending.isEmpty {
                items.append(.line(pending))
            }
            pending = []
            start = end + 1
        }
        add(UnsafeBufferPointer(rebasing: bytes[start...]), &items)
        return items
    }

    private mutating func add(_ bytes: UnsafeBufferPointer<UInt8>, _ items: inout [Item]) {
        if skipping { return }
        if pending.count + bytes.count > limit {
            skipping = true
            pending = []
            items.append(.tooLong)
        } else {
            pending += bytes
        }
    }
}

enum LineFeed {
    /// Returns the position of the first line feed at or after `start`.
    static func position(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress,
            let found = memchr(base + start, 0x0A, bytes.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
}
