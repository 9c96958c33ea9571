/// Cuts a byte stream into lines, with a limit, so that a peer that never ends a line cannot fill the memory.
struct LineBuffer {
    enum Item: Equatable {
        case line([UInt8])
        /// A line was longer than the limit; its rest is skipped.
        case tooLong
    }

    let limit: Int
    private var pending: [UInt8] = []
    private var skipping = false

    init(limit: Int) { self.limit = limit }

    /// Takes bytes and gives what they complete. Empty lines are left out.
    mutating func take(_ bytes: some Collection<UInt8>) -> [Item] {
        var items: [Item] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 0x0A) {
            add(rest[..<end], &items)
            if skipping {
                skipping = false
            } else if !pending.isEmpty {
                items.append(.line(pending))
            }
            pending = []
            rest = rest[rest.index(after: end)...]
        }
        add(rest, &items)
        return items
    }

    private mutating func add(_ bytes: some Collection<UInt8>, _ items: inout [Item]) {
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
