/// Whether a connection that carries several streams may be read. It may not while a stream is full that nobody takes
/// from, nor while the peer takes no answers, so that those cannot pile up here.
///
/// It tells when to read and never reads: what reads may be called back at once.
struct ReadGate<Stream: Hashable> {
    private var full: Set<Stream> = []
    private var isAsked = false
    private var isOpenForGood = false

    /// A read is asked for.
    ///
    /// - Returns: Whether it may be done now; otherwise `asksAgain` will tell.
    mutating func asks(isWritable: Bool) -> Bool {
        guard isOpenForGood || (full.isEmpty && isWritable) else {
            isAsked = true
            return false
        }
        return true
    }

    /// Something has changed.
    ///
    /// - Returns: Whether a read that was held back may be done now.
    mutating func asksAgain(isWritable: Bool) -> Bool {
        guard isAsked else { return false }
        isAsked = false
        return asks(isWritable: isWritable)
    }

    mutating func fill(_ stream: Stream) { full.insert(stream) }

    /// - Returns: Whether the stream was full.
    mutating func drain(_ stream: Stream) -> Bool { full.remove(stream) != nil }

    func isFull(_ stream: Stream) -> Bool { full.contains(stream) }

    /// What comes from now on is thrown away, so it is read.
    mutating func openForGood() { isOpenForGood = true }
}
