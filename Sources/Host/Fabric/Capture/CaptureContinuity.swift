/// Tells whether a capture may have missed packets, from when its handle was opened or failed and from the kernel's
/// counter of drops.
///
/// Only an interface that is down certainly passes nothing. While an interface is up and no handle is open, packets
/// pass unseen; and when the handle of an interface that was down can be opened again, the interface came up at some
/// unknown time before.
struct CaptureContinuity {
    /// An attempt to open a handle where there is none.
    enum Opening: Equatable {
        case opened
        case interfaceDown
        case failed(String)
    }

    /// The number of packets that the kernel had no room for, over all handles that were ever open.
    private(set) var dropped: UInt64 = 0
    /// The part of `dropped` that was counted by handles which are closed by now.
    private var droppedBefore: UInt64 = 0
    private var mayHaveMissed = false

    mutating func tried(_ opening: Opening) {
        if opening != .interfaceDown { mayHaveMissed = true }
    }

    /// - Parameter count: The count of the handle that is open now.
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
