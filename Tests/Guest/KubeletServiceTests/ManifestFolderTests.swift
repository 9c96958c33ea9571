import Foundation
import Kubelet
import Testing

@testable import KubeletService

@Suite struct ManifestFolderTests {
    @Test func `manifests that can be read become pods, and the others are told`() throws {
        let path = FileManager.default.temporaryDirectory.path + "/manifests-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = ManifestFolder(path: path, nodeName: "node1")
        let now = KubeletTime(monotonic: .zero, unixMicroseconds: 0)
        #expect(folder.read(at: now).pods.isEmpty)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        func write(_ name: String, _ text: String) throws {
            try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
        }
        try write(
            "a.json",
            #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"etcd"},"spec":{"containers":[{"name":"c","image":"x"}]}}"#
        )
        try write("b.json", "{")
        try write("c.yaml", "kind: Pod")
        try write(".d.json", "{}")
        let reading = folder.read(at: now)
        #expect(reading.pods.map(\.identity.name) == ["etcd-node1"])
        #expect(reading.problems.count == 1)
        #expect(reading.problems.first?.hasPrefix("static pod \(path)/b.json: ") == true)
        // The same content has the same identity, another one has not.
        #expect(folder.read(at: now).pods.map(\.identity) == reading.pods.map(\.identity))
        try write(
            "a.json",
            #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"etcd"},"spec":{"containers":[{"name":"c","image":"y"}]}}"#
        )
        #expect(folder.read(at: now).pods.map(\.identity) != reading.pods.map(\.identity))
    }
}
