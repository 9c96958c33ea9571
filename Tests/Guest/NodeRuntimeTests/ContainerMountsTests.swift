import Foundation
import Testing

@testable import NodeRuntime

@Suite struct ContainerMountsTests {
    @Test(arguments: [
        ("/a/b", "/a/b"), ("/var/run/secrets", "/run/secrets"), ("/abs/x", "/etc/x"), ("/up/x", "/x"),
        ("/../../x", "/x"), ("/a/./b//c", "/a/b/c"),
    ])
    func `links lead elsewhere in the root and never out of it`(_ target: String, _ place: String) throws {
        let root = FileManager.default.temporaryDirectory.path + "/root-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root + "/var", withIntermediateDirectories: true)
        symlink("../run", root + "/var/run")
        symlink("/etc", root + "/abs")
        symlink("../../../..", root + "/up")
        #expect(try ContainerMounts(root: root).place(target, isDirectory: true) == root + place)
        #expect(FileManager.default.fileExists(atPath: root + place))
    }

    @Test func `a circle of links ends`() throws {
        let root = FileManager.default.temporaryDirectory.path + "/root-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        symlink("b", root + "/a")
        symlink("a", root + "/b")
        #expect(throws: (any Error).self) { try ContainerMounts(root: root).place("/a/x", isDirectory: true) }
    }

    @Test func quantities() {
        #expect(NodeKubelet.milliCPU("2") == 2000)
        #expect(NodeKubelet.milliCPU("500m") == 500)
        #expect(NodeKubelet.milliCPU("x") == nil)
        #expect(NodeKubelet.bytes("4Gi") == 4 << 30)
        #expect(NodeKubelet.bytes("1024Ki") == 1 << 20)
        #expect(NodeKubelet.bytes("1000") == 1000)
        #expect(NodeKubelet.bytes("9999999999999Ti") == nil)
    }
}
