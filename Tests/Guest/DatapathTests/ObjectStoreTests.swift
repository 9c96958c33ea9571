import Foundation
import KubeObjects
import Testing

@testable import Datapath

@Suite final class ObjectStoreTests {
    private let directory = NSTemporaryDirectory() + "object-store-\(UUID().uuidString)"
    private var file: String { directory + "/services.jsonl" }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func service(_ name: String, port: UInt16 = 80) -> Service {
        Service(metadata: ObjectMeta(name: name, namespace: "default"), spec: .init(ports: [.init(port: port)]))
    }

    private func take(_ changes: ObjectChanges<Service>, _ store: inout ObjectStore, _ objects: inout ClusterObjects)
        throws
    {
        try store.append(changes, to: objects.services)
        changes.apply(to: &objects.services)
    }

    @Test func whatWasTakenIsThereAfterARestart() throws {
        var store = try ObjectStore(directory: directory)
        var objects = try store.load()
        #expect(objects == ClusterObjects())
        try take(ObjectChanges([service("a"), service("b")], removed: []), &store, &objects)
        try take(ObjectChanges([service("b", port: 81)], removed: [service("a").key]), &store, &objects)
        var again = try ObjectStore(directory: directory)
        #expect(try again.load() == objects)
        #expect(objects.services.values.map(\.spec.ports[0].port) == [81])
    }

    @Test func aLineThatWasNotFinishedIsNoChange() throws {
        var store = try ObjectStore(directory: directory)
        var objects = try store.load()
        try take(ObjectChanges([service("a")], removed: []), &store, &objects)
        let whole = try Data(contentsOf: URL(fileURLWithPath: file))
        for length in 1..<whole.count {
            try (whole + whole.prefix(length)).write(to: URL(fileURLWithPath: file))
            var again = try ObjectStore(directory: directory)
            #expect(try again.load() == objects)
            // What comes next is not glued to the rest of it.
            var more = objects
            try take(ObjectChanges([service("b")], removed: []), &again, &more)
            var third = try ObjectStore(directory: directory)
            #expect(try third.load() == more)
        }
    }

    @Test func overtakenLinesAreDropped() throws {
        var store = try ObjectStore(directory: directory)
        var objects = try store.load()
        for port in UInt16(1)...3000 {
            try take(ObjectChanges([service("a", port: port)], removed: []), &store, &objects)
        }
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").count
        #expect(lines < 1100)
        var again = try ObjectStore(directory: directory)
        #expect(try again.load() == objects)
    }

    @Test func aDamagedFileIsNamed() throws {
        var store = try ObjectStore(directory: directory)
        try "{\"set\":{}}\n".write(toFile: file, atomically: true, encoding: .utf8)
        let error = #expect(throws: DatapathError.self) { try store.load() }
        #expect("\(error as Any)".contains("services.jsonl"))
    }
}
