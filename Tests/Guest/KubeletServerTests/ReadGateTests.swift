import Testing

@testable import KubeletServer

@Suite("Whether a connection may be read")
struct ReadGateTests {
    @Test("It may, until a stream is full, and again when none is")
    func full() {
        var gate = ReadGate<Int>()
        let first = gate.asks(isWritable: true)
        #expect(first)
        gate.fill(1)
        gate.fill(2)
        let held = gate.asks(isWritable: true)
        #expect(!held && gate.isFull(1))
        let wasFull = gate.drain(1)
        let early = gate.asksAgain(isWritable: true)
        #expect(wasFull && !early)
        let second = gate.drain(2)
        let again = gate.asksAgain(isWritable: true)
        let once = gate.asksAgain(isWritable: true)
        #expect(second && again && !once)
    }

    @Test("It may not while the peer takes nothing")
    func unwritable() {
        var gate = ReadGate<Int>()
        let held = gate.asks(isWritable: false)
        let still = gate.asksAgain(isWritable: false)
        let again = gate.asksAgain(isWritable: true)
        #expect(!held && !still && again)
    }

    @Test("Behind the end it always may")
    func end() {
        var gate = ReadGate<Int>()
        gate.fill(1)
        _ = gate.asks(isWritable: false)
        gate.openForGood()
        let again = gate.asksAgain(isWritable: false)
        let more = gate.asks(isWritable: false)
        let wasFull = gate.drain(3)
        #expect(again && more && !wasFull)
    }
}

@Suite("Bytes between a connection and a task", .timeLimit(.minutes(1)))
struct ByteQueueTests {
    @Test("It is full at its limit, and calls when it is taken from")
    func limit() async {
        let queue = ByteQueue(limit: 4)
        let (calls, called) = AsyncStream<Void>.makeStream()
        queue.whenDrained { called.yield() }
        #expect(queue.push([1, 2, 3]))
        #expect(!queue.push([4, 5]))
        #expect(await queue.next() == [1, 2, 3, 4, 5])
        for await _ in calls { break }
        #expect(queue.push([6]))
        queue.finish()
        #expect(queue.push([7]))
        #expect(await queue.next() == [6])
        #expect(await queue.next() == nil)
    }

    @Test("A reader that waits gets what comes, and nil when its task is cancelled")
    func waiting() async {
        let queue = ByteQueue(limit: 4)
        async let bytes = queue.next()
        queue.push([1])
        #expect(await bytes == [1])
        let task = Task { await queue.next() }
        task.cancel()
        #expect(await task.value == nil)
        // Nobody reads any more, so nothing is kept.
        #expect(queue.push([1, 2, 3, 4, 5, 6]))
        #expect(await queue.next() == nil)
    }
}
