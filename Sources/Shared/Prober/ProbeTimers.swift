/// When cells send again, or are given up. All delays of a plan are the same, so that entries are due in the order in
/// which they were added, and a queue serves as a timer.
struct ProbeTimers {
    private var entries: [(due: Int64, cell: Int)] = []
    private var head = 0

    var next: Int64? { head < entries.count ? entries[head].due : nil }

    mutating func add(_ due: Int64, _ cell: Int) {
        if head > 4096, head * 2 > entries.count {
            entries.removeFirst(head)
            head = 0
        }
        entries.append((due, cell))
    }

    mutating func takeDue(_ time: Int64) -> Int? {
        guard head < entries.count, entries[head].due <= time else { return nil }
        defer { head += 1 }
        return entries[head].cell
    }
}

/// Says which socket an epoll event is about. It is the number that epoll(7) keeps with a descriptor.
struct ProbeTag {
    enum Kind: UInt64 {
        case connection = 0
        case datagrams = 1
        case echoes = 2
    }

    let kind: Kind
    /// The cell of a connection, or the position of the socket for the other kinds.
    let index: Int

    init(kind: Kind, index: Int) {
        self.kind = kind
        self.index = index
    }

    init?(rawValue: UInt64) {
        guard let kind = Kind(rawValue: rawValue >> 32) else { return nil }
        self.init(kind: kind, index: Int(rawValue & 0xFFFF_FFFF))
    }

    var rawValue: UInt64 { kind.rawValue << 32 | UInt64(index) }
}
