import Foundation
import NodeProtocol
import Synchronization
import Testing

@testable import NodeLink

@Suite struct NodeLinkTests {
    @Test func manyCallsInFlightAreMatchedByRequest() async throws {
        let node = FakeNode { connection in
            var held: [(UInt64, String)] = []
            connection.serve(boot: "a") { frame, request in
                guard case .agentCall(let call) = request else { return }
                held.append((frame.request, call.line))
                guard held.count == 200 else { return }
                for (id, line) in held.reversed() {
                    let reply = Array("re:\(line)".utf8)
                    connection.send(try? .reply(.agentReply, blob: reply, session: frame.session, id: id))
                }
            }
        }
        let link = NodeLink(node: "node1", path: node.path)
        defer { link.close() }
        let hello = try await link.ready(within: .seconds(5))
        #expect(hello.bootID == "a")
        try await withThrowingTaskGroup(of: (Int, String).self) { group in
            for index in 0..<200 {
                group.addTask {
                    let call = AgentCall(line: "\(index)", deadlineMillis: 1)
                    let answer = try await link.call(.agentCall(call), deadline: .seconds(10))
                    guard case .agentReply = answer.reply else { return (index, "") }
                    return (index, String(decoding: answer.blob, as: UTF8.self))
                }
            }
            for try await (index, text) in group { #expect(text == "re:\(index)") }
        }
    }

    @Test func noReplyNamesRequestAndNode() async throws {
        let node = FakeNode { $0.serve(boot: "a") { _, _ in } }
        let link = NodeLink(node: "node7", path: node.path)
        defer { link.close() }
        let error = await #expect(throws: NodeLinkError.self) {
            try await link.call(.snapshot, deadline: .milliseconds(200))
        }
        #expect(error?.code == .timeout)
        #expect(
            error?.description.contains("node node7: snapshot: no reply within 0.2 seconds; the link is ready") == true)
    }

    @Test func socketThatNeverAppearsTimesOutWithTheLastError() async throws {
        let link = NodeLink(node: "node1", path: "/tmp/labrun-test-no-such.sock")
        defer { link.close() }
        let error = await #expect(throws: NodeLinkError.self) { try await link.ready(within: .milliseconds(100)) }
        #expect(error?.message.contains("No such file or directory") == true)
    }

    @Test func socketThatAppearsLateIsFound() async throws {
        let path = "/tmp/labrun-test-late-\(UInt32.random(in: 0...UInt32.max)).sock"
        let link = NodeLink(node: "node1", path: path)
        defer { link.close() }
        // The link looks for the socket before it exists.
        await #expect(throws: NodeLinkError.self) { try await link.ready(within: .milliseconds(50)) }
        let node = FakeNode(path: path) { $0.serve(boot: "b") { _, _ in } }
        #expect(try await link.ready(within: .seconds(5)).bootID == "b")
        node.end()
    }

    @Test func hangUpFailsCallsAndReconnects() async throws {
        let answers = Atomic(false)
        let arrivals = Arrivals()
        let node = FakeNode { connection in
            connection.write([0xFF, 0x6C, 1, 2, 3])  // the tail of an older frame
            connection.serve(boot: "a") { frame, _ in
                arrivals.arrived()
                if answers.load(ordering: .relaxed) {
                    connection.send(try? .reply(.done, session: frame.session, id: frame.request))
                }
            }
        }
        let link = NodeLink(node: "node1", path: node.path)
        defer { link.close() }
        try await link.ready(within: .seconds(5))
        async let lost = link.call(.snapshot, deadline: .seconds(20))
        await arrivals.first()
        answers.store(true, ordering: .relaxed)
        node.hangUp()
        do {
            _ = try await lost
            Issue.record("answered by nobody")
        } catch let error as NodeLinkError {
            #expect(error.code == .connectionLost)
        }
        guard case .done = try await link.call(.snapshot, deadline: .seconds(5)).reply else {
            Issue.record("no reply after the reconnect")
            return
        }
    }

    @Test func rebootFailsWhatWasInFlight() async throws {
        let node = FakeNode { connection in
            connection.serve(boot: "b") { _, _ in
                let hello = HelloReply(version: 1, bootID: "c", kernel: "", uptimeMillis: 1, configured: false)
                connection.send(try? .event(.started(hello), session: 0))
            }
        }
        let link = NodeLink(node: "node1", path: node.path)
        defer { link.close() }
        let error = await #expect(throws: NodeLinkError.self) {
            try await link.call(.startAgent, deadline: .seconds(10))
        }
        #expect(error?.code == .nodeRestarted)
    }

    @Test func closeFailsCallsAtOnce() async throws {
        let arrivals = Arrivals()
        let node = FakeNode { $0.serve(boot: "a") { _, _ in arrivals.arrived() } }
        let link = NodeLink(node: "node1", path: node.path)
        try await link.ready(within: .seconds(5))
        let pending = Task { try await link.call(.snapshot, deadline: .seconds(60)) }
        await arrivals.first()
        link.close()
        let error = await #expect(throws: NodeLinkError.self) { try await pending.value }
        #expect(error?.code == .closed)
        let after = await #expect(throws: NodeLinkError.self) { try await link.call(.snapshot, deadline: .seconds(1)) }
        #expect(after?.code == .closed)
        for await _ in link.events {}
    }

    @Test func cancellationEndsTheCall() async throws {
        let arrivals = Arrivals()
        let node = FakeNode { $0.serve(boot: "a") { _, _ in arrivals.arrived() } }
        let link = NodeLink(node: "node1", path: node.path)
        defer { link.close() }
        let task = Task { try await link.call(.snapshot, deadline: .seconds(60)) }
        await arrivals.first()
        task.cancel()
        let error = await #expect(throws: NodeLinkError.self) { _ = try await task.value }
        #expect(error?.code == .cancelled)
    }

    @Test func eventsBeyondTheBufferAreCounted() async throws {
        let node = FakeNode { connection in
            connection.serve(boot: "a") { frame, _ in
                for index in 0..<5000 {
                    connection.send(
                        try? .event(.log(source: "agent", line: "\(index)"), session: frame.session))
                }
                connection.send(try? .reply(.done, session: frame.session, id: frame.request))
            }
        }
        let link = NodeLink(node: "node1", path: node.path)
        _ = try await link.call(.snapshot, deadline: .seconds(20))
        #expect(link.droppedEvents == 5000 - 4096)
        link.close()
        var lines: [String] = []
        for await event in link.events { if case .log(_, let line) = event { lines.append(line) } }
        #expect(lines.count == 4096)
        #expect(lines.last == "4999")
    }

    /// While a node does not read, requests wait in the link, and a call whose deadline passes there is never sent.
    /// Once the node reads again, all others reach it.
    @Test func aNodeThatDoesNotReadHoldsCallersBackWithoutLosingThem() async throws {
        let reads = DispatchSemaphore(value: 0)
        let served = Mutex<[Substring]>([])
        let node = FakeNode { connection in
            connection.serve(boot: "a") { frame, request in
                guard case .agentCall(let call) = request else { return }
                if served.withLock({ $0.isEmpty }) { _ = reads.wait(timeout: .now() + .seconds(60)) }
                served.withLock { $0.append(call.line.prefix { $0 != " " }) }
                connection.send(try? .reply(.done, session: frame.session, id: frame.request))
            }
        }
        let link = NodeLink(node: "node1", path: node.path)
        defer { link.close() }
        try await link.ready(within: .seconds(5))
        let call = { @Sendable (name: String, deadline: Duration) in
            let line = name + " " + String(repeating: "x", count: 200_000)
            _ = try await link.call(.agentCall(AgentCall(line: line, deadlineMillis: 1)), deadline: deadline)
        }
        var attempts = 0
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<100 { group.addTask { try await call("\(index)", .seconds(60)) } }
            // The link holds requests back as soon as its buffer and the socket's are full.
            let end = ContinuousClock.now + .seconds(30)
            var message = ""
            while !message.hasPrefix("not sent"), .now < end {
                attempts += 1
                let name = "late\(attempts)"
                let error = await #expect(throws: NodeLinkError.self) { try await call(name, .milliseconds(50)) }
                #expect(error?.code == .timeout)
                message = error?.message ?? ""
            }
            #expect(message.hasPrefix("not sent within"))
            reads.signal()
            try await group.waitForAll()
        }
        let names = served.withLock { $0 }
        #expect((0..<100).allSatisfy { names.contains("\($0)") })
        #expect(!names.contains("late\(attempts)"))
    }
}
