import JSON
import Testing

@testable import Kubelet

@Suite struct EventTests {
    let pod = EventSubject.pod(PodIdentity(namespace: "shop", name: "web", uid: "u"))

    func time(_ seconds: Int64) -> KubeletTime {
        KubeletTime(monotonic: .seconds(seconds), unixMicroseconds: Bench.boot + seconds * 1_000_000)
    }

    func there(_ event: EventRecord?) throws -> EventRecord { try #require(event) }

    @Test func equalEventsAreCounted() throws {
        var recorder = EventRecorder(nodeName: "node-1")
        let first = try there(recorder.record(pod, .warning, "Failed", "x", at: time(0)))
        let second = try there(recorder.record(pod, .warning, "Failed", "x", at: time(60)))
        #expect(!first.isRepeated && second.isRepeated && first.name == second.name && second.count == 2)
        #expect(second.object["firstTimestamp"] == first.object["firstTimestamp"])
        #expect(second.object["lastTimestamp"]?.text == time(60).timestamp)
        #expect(first.name.hasPrefix("web.") && first.namespace == "shop")
        let other = try there(recorder.record(pod, .warning, "Failed", "y", at: time(60)))
        #expect(!other.isRepeated && other.name != first.name)
    }

    @Test func similarEventsBecomeOne() throws {
        var recorder = EventRecorder(nodeName: "node-1")
        var events: [EventRecord] = []
        for index in 0..<20 {
            if let event = recorder.record(pod, .warning, "Unhealthy", "probe \(index)", at: time(Int64(index))) {
                events.append(event)
            }
        }
        #expect(events.prefix(9).allSatisfy { !$0.message.hasPrefix("(combined") })
        #expect(events.dropFirst(9).allSatisfy { $0.message.hasPrefix("(combined from similar events): probe ") })
        #expect(Set(events.map(\.name)).count == 10 && events.last?.count == 11)
        // After ten quiet minutes it begins anew.
        let later = try there(recorder.record(pod, .warning, "Unhealthy", "probe 99", at: time(3000)))
        #expect(later.message == "probe 99")
    }

    @Test func anObjectHasOnlySoManyEvents() throws {
        var recorder = EventRecorder(nodeName: "node-1")
        let told = (0..<100).compactMap { recorder.record(pod, .normal, "R", "m", at: time(Int64($0) / 10)) }
        #expect(told.count == 25)
        let later = recorder.record(pod, .normal, "R", "m", at: time(320))
        let soon = recorder.record(pod, .normal, "R", "m", at: time(321))
        #expect(later?.count == 101 && soon == nil)
        let other = EventSubject.pod(PodIdentity(namespace: "shop", name: "db", uid: "d"))
        let another = recorder.record(other, .normal, "R", "m", at: time(321))
        #expect(another != nil)
    }

    @Test func sizesAreBounded() throws {
        var recorder = EventRecorder(nodeName: "node-1")
        let long = try there(recorder.record(pod, .normal, "R", String(repeating: "é", count: 3000), at: time(0)))
        #expect(long.message.utf8.count == 1024)
        for index in 0..<10_000 {
            let subject = EventSubject.pod(PodIdentity(namespace: "n", name: "p\(index)", uid: "\(index)"))
            _ = recorder.record(subject, .normal, "R", "m", at: time(Int64(index)))
        }
        let sizes = Mirror(reflecting: recorder).children.compactMap { Mirror(reflecting: $0.value).children.count }
        #expect(sizes.max().map { $0 <= EventRecorder.tableLimit } == true, "\(sizes)")
    }

    @Test func nodesHaveEventsToo() throws {
        var recorder = EventRecorder(nodeName: "node-1")
        let event = try there(recorder.record(.node("node-1"), .normal, "NodeReady", "m", at: time(0)))
        #expect(event.namespace == "default")
        #expect(
            event.object["involvedObject"]
                == .object(["kind": .string("Node"), "name": .string("node-1"), "uid": .string("node-1")]))
    }
}
