import Kubelet
import KubeletServer
import Synchronization
import Testing

@testable import KubeletService

@Suite struct StartGateTests {
    @Test func `an end before the start is told after it`() {
        let told = Mutex<[String]>([])
        let gate = StartGate()
        gate.ended { told.withLock { $0.append("ended") } }
        #expect(told.withLock { $0.isEmpty })
        told.withLock { $0.append("started") }
        gate.open()
        #expect(told.withLock { $0 } == ["started", "ended"])
    }

    @Test func `an end after the start is told at once`() {
        let told = Mutex(0)
        let gate = StartGate()
        gate.open()
        gate.ended { told.withLock { $0 += 1 } }
        #expect(told.withLock { $0 } == 1)
    }
}

@Suite struct OutputRelayTests {
    /// A program that writes faster than its client reads waits for the client, and loses nothing.
    @Test func `a thread waits for the task that reads`() async throws {
        let relay = OutputRelay()
        let put = Mutex(0)
        let thread = Task.detached {
            try await onThread {
                for number in 0..<100 {
                    relay.put(.output, [UInt8(number)])
                    put.withLock { $0 += 1 }
                }
                relay.end()
            }
        }
        var seen: [UInt8] = []
        for await piece in relay.pieces {
            // What was put and not yet taken is bounded.
            #expect(put.withLock { $0 } <= seen.count + 10)
            seen += piece.bytes
            relay.taken()
        }
        try await thread.value
        #expect(seen == Array(0..<100))
    }

    @Test func `nobody waits for a client that has gone`() async throws {
        let relay = OutputRelay()
        relay.abandon()
        try await onThread { for _ in 0..<1_000 { relay.put(.errors, [1]) } }
    }
}
