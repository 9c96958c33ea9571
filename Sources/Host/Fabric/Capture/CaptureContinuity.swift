/// Whether a capture may have missed packets: what its handle's openings, failures and the kernel's counter tell.
///
/// Only an interface that is down passes nothing for certain. One that is up without a handle passes packets unseen,
/// and one that could be opened again had come up some time before.
struct CaptureContinuity {
    /// An attempt to open a handle where there is none.
    enum Opening: Equatable {
        case opened
        case interfaceDown
        case failed(String)
    }

    /// Packets that the kernel had no room for, of all handles.
    private(set) var dropped: UInt64 = 0
    /// Of handles that were closed since.
    private var droppedBefore: UInt64 = 0
    private var mayHaveMissed = false

    mutating func tried(_ opening: Opening) {
        if opening != .interfaceDown { mayHaveMissed = true }
    }

    /// - Parameter dropped: the present handle's count.
    mutating func counted(dropped count: UInt64) {
        let total = droppedBefore + count
        if total > dropped { mayHaveMissed = true }
        dropped = max(dropped, total)
    }

    mutating func closed() { droppedBefore = dropped }

    /// Whether packets may have been missed since this was last asked.
    mutating func takeMissed() -> Bool {
        defer { mayHaveMissed = false }
        return mayHaveMissed
    }
}
