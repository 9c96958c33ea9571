import Foundation
import Hashing
import JSON
import KubeObjects
import LabProfiles
import ScenarioReading
import Testing

@testable import Scenario

/// What a user's `images.yaml` says, its mistakes, and where it is looked for.
@Suite struct UserImagesTests {
    /// A folder that is removed with the last reference to it.
    private final class Folder {
        let path = NSTemporaryDirectory() + "labrun-images-\(UUID().uuidString.prefix(8))"

        init() throws {
            try FileManager.default.createDirectory(atPath: path + "/lab", withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ bytes: [UInt8], _ name: String) throws {
            try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
        }
        func write(_ text: String, _ name: String) throws { try write(Array(text.utf8), name) }
    }

    /// A program of x86-64 with one loadable segment, and further program headers.
    static func program(headers: [UInt32] = [], type: UInt8 = 2, machine: UInt8 = 62, entry: UInt8 = 1) -> [UInt8] {
        let types = [1] + headers
        var bytes = [UInt8](repeating: 0, count: 64 + types.count * 56)
        bytes.replaceSubrange(0..<7, with: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
        (bytes[16], bytes[18], bytes[24], bytes[32]) = (type, machine, entry, 64)
        (bytes[54], bytes[56]) = (56, UInt8(types.count))
        for (index, type) in types.enumerated() { bytes[64 + index * 56] = UInt8(type) }
        return bytes
    }

    @Test func `a user's images go before the lab's own`() throws {
        let folder = try Folder()
        try folder.write(Self.program(), "server")
        let text = """
            packages: [redis-server]
            binaries: {my-server: server}
            images:
              - names: [docker.io/library/nginx, "*/nginx"]
                entrypoint: [my-server, --port]
                command: ["80"]
                environment: {LANG: C}
                user: 101
              - names: [shop/front:2.1]
                builtIn: http
            """
        try folder.write(text, "images.yaml")
        let images = try UserImages.load(folder.path + "/images.yaml")
        #expect(images.packages == [.init(name: "redis-server", line: 1, column: 12)])
        #expect(images.binaries == [.init(name: "my-server", path: folder.path + "/server")])
        #expect(images.workloads["nginx"] == .program)
        #expect(images.workloads["*/nginx"] == .program)
        #expect(images.workloads["nginx-unprivileged"] == .builtIn("echo"))
        let document = try JSONText.value(of: Array(images.catalogue.utf8))
        let all = try #require(document["images"]?.elements)
        let names = all.flatMap { $0["names"]?.elements?.compactMap(\.text) ?? [] }
        #expect(Set(names.map(LabImages.key)).count == names.count)
        let first = try #require(all.first)
        #expect(first["command"] == .array([.string("80")]))
        #expect(first["user"] == .integer(101))
        // A user's program answers no probes; the pod's port is then the usual one.
        #expect(EchoPort(nil).port(of: [container("nginx", port: 80)]) == 80)
        #expect(EchoPort(images).port(of: [container("quay.io/x/nginx:1", port: 80)]) == 8080)
    }

    private func container(_ image: String, port: UInt16) -> Pod.Container {
        var container = Pod.Container(name: "c", ports: [Pod.Port(containerPort: port)])
        container.image = image
        return container
    }

    /// A line of the file, and what is said of it.
    static let mistakes: [(text: String, message: String)] = [
        ("", "1:1: the file is empty"),
        ("packages: [jq]\nimage: []", "2:1: unknown key \"image\" in images; did you mean \"images\"?"),
        ("{}", "1:1: images has none of packages, binaries, images"),
        ("packages: []", "1:11: packages must be a list of at least 1"),
        (
            "packages: [Redis]",
            "1:12: an item of packages must be the name of a Debian package such as redis-server, but \"Redis\" is given"
        ),
        ("packages: [jq, curl, jq]", "1:22: package \"jq\" is given twice"),
        ("packages: [x; rm]", "1:12: an item of packages must be the name of a Debian package"),
        ("packages: [-o]", "1:12: an item of packages must be the name of a Debian package"),
        ("binaries: {a/b: static}", "1:12: key \"a/b\" of binaries is not right; expected a program's name"),
        ("binaries: {a: none}", "1:15: there is no file FOLDER/none; expected a program that is linked statically"),
        ("binaries: {a: lab}", "1:15: FOLDER/lab is not a regular file"),
        ("binaries:\n  a: script", "2:6: FOLDER/script is no ELF program"),
        ("binaries: {a: dynamic}", "1:15: FOLDER/dynamic is linked dynamically: nodes have neither"),
        ("binaries: {a: arm}", "1:15: FOLDER/arm is a program for another processor than x86-64"),
        ("binaries: {a: object}", "1:15: FOLDER/object is an object file, and no program"),
        ("binaries: {a: library}", "1:15: FOLDER/library is a library, and no program"),
        ("binaries: {a: short}", "1:15: FOLDER/short is cut off"),
        ("images: [{entrypoint: [a]}]", "1:10: image has no \"names\""),
        (
            "images: [{names: [a], entrypont: [a]}]",
            "1:23: unknown key \"entrypont\" in image; did you mean \"entrypoint\"?"
        ),
        ("images: [{names: [a], builtIn: ecko}]", "1:32: builtIn must be one of"),
        (
            "images: [{names: [a], builtIn: echo, entrypoint: [b]}]",
            "1:50: an image with \"builtIn\" has no program of its own"
        ),
        (
            "images: [{names: [a], command: [80]}]",
            "1:33: an item of command must be text, but the number 80 is given; put"
        ),
        (
            "images:\n  - names: [a]\n  - names: [docker.io/library/a]",
            "3:13: image \"docker.io/library/a\" is given twice, first in line 2"
        ),
        ("images: [{names: [a]}]\n---\nimages: [{names: [b]}]", "3:1: a file of images has one document only"),
    ]

    @Test(arguments: mistakes.indices)
    func `a mistake is told with its place`(index: Int) throws {
        let (text, message) = Self.mistakes[index]
        let folder = try Folder()
        for (name, bytes) in [
            ("script", Array("#!/bin/sh\n".utf8)), ("static", Self.program()),
            ("dynamic", Self.program(headers: [6, 3])),
            ("arm", Self.program(machine: 183)), ("object", Self.program(type: 1)),
            ("library", Self.program(type: 3, entry: 0)), ("short", Array(Self.program().prefix(40))),
        ] { try folder.write(bytes, name) }
        try folder.write(text, "images.yaml")
        let (images, problems) = UserImagesReader.read(folder.path + "/images.yaml")
        #expect(images == nil)
        let told = problems.map { $0.description.replacing(folder.path, with: "FOLDER") }
        #expect(told.count == 1, "\(told)")
        #expect(told.first?.hasPrefix("FOLDER/images.yaml:" + message) == true, "\(told)")
    }

    @Test func `a program that may lie anywhere is one`() {
        #expect(StaticProgram.mistake(Self.program(type: 3)) == nil)
        #expect(StaticProgram.mistake(Self.program(headers: [2, 4, 6])) == nil)
    }

    @Test func `10,000 mutated files and programs end in a verdict`() {
        var random = SplitMix64(seed: 20_261_130)
        let text = Array(
            "packages: [jq]\nimages:\n  - {names: [a, \"*/b\"], entrypoint: [x], environment: {A: b}, user: 1}\n".utf8)
        #expect(UserImagesReader.read(text, file: "x").images != nil)
        for _ in 0..<5000 {
            let (images, problems) = UserImagesReader.read(Mutation.bytes(text, &random), file: "x")
            #expect((images == nil) == !problems.isEmpty)
            if let images { #expect((try? JSONText.value(of: Array(images.catalogue.utf8))) != nil) }
            _ = StaticProgram.mistake(Mutation.bytes(Self.program(headers: [2, 3]), &random))
        }
    }

    @Test func `what is nearer goes first`() throws {
        let folder = try Folder()
        let lab = String(
            decoding: try #require(LabProfiles.bytes(of: "eks-overlay")), as: UTF8.self)
        try folder.write(lab, "lab/mine.yaml")
        try folder.write(lab.replacing("spec:\n", with: "spec:\n  images: own.yaml\n"), "lab/other.yaml")
        for name in ["lab/images.yaml", "lab/own.yaml", "scenario.yaml", "set.yaml"] {
            try folder.write("images: [{names: [\(name)], entrypoint: [a]}]", name)
        }
        func images(_ lab: String, _ overrides: String = "", _ settings: [Setting] = []) -> String? {
            let text =
                ScenarioText.head.replacing("lab: eks-overlay", with: "lab: \(lab)") + overrides
                + ScenarioText.workloads + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n"
            let parser = ScenarioParser(faults: testFaults, diagnoses: [], profiles: ScenarioLoader.labProfiles)
            let parsed = parser.parse(Array(text.utf8), file: folder.path + "/x.yaml", settings: settings)
            #expect(parsed.problems.isEmpty, "\(parsed.problems)")
            return parsed.profile?.images.map { String($0.file.dropFirst(folder.path.count + 1)) }
        }
        #expect(images("mine") == "lab/images.yaml")
        #expect(images("eks-overlay") == "lab/images.yaml")
        #expect(images("other") == "lab/own.yaml")
        let overrides = "  overrides: {images: scenario.yaml}\n"
        #expect(images("other", overrides) == "scenario.yaml")
        #expect(images("other", overrides, [Setting(path: "images", value: folder.path + "/set.yaml")]) == "set.yaml")
    }

    /// The tests' working directory is the project's, which has the lab's own `lab/images.yaml`.
    @Test func `a shipped scenario takes no file of the folder that it is run in`() throws {
        let file = FileManager.default.currentDirectoryPath + "/lab/images.yaml"
        try #require(FileManager.default.fileExists(atPath: file))
        let named = try ScenarioLoader.load("vxlan-blocked-8472", faults: testFaults)
        #expect(named.profile.images == nil)
        let folder = try Folder()
        try folder.write(String(decoding: named.bytes, as: UTF8.self), "vxlan-blocked-8472.yaml")
        try folder.write("images: [{names: [mine], entrypoint: [a]}]", "lab/images.yaml")
        let lying = try ScenarioLoader.load(folder.path + "/vxlan-blocked-8472.yaml", faults: testFaults)
        #expect(lying.profile.images != nil)
    }

    @Test func `the mistakes of the other file are told with its name, and the scenario is not run`() throws {
        let folder = try Folder()
        try folder.write("packages: [x!]\n", "lab/images.yaml")
        let text = ScenarioText.step("expect: {diagnosis: {is: none}}")
        let parser = ScenarioParser(faults: testFaults, diagnoses: [], profiles: ScenarioLoader.labProfiles)
        let parsed = parser.parse(Array(text.utf8), file: folder.path + "/x.yaml")
        #expect(parsed.scenario == nil)
        let told = parsed.problems.map { $0.description.replacing(folder.path, with: "") }
        #expect(told.count == 2, "\(told)")
        #expect(told.first?.hasPrefix("/lab/images.yaml:1:12: ") == true, "\(told)")
        #expect(told.last?.hasPrefix("/x.yaml:7:8: /lab/images.yaml has a mistake of its own") == true, "\(told)")
    }
}
