import Files
import Foundation
import JSON
import ScenarioReading

/// Reads a user's `images.yaml`, and looks at the binaries that it names.
struct UserImagesReader {
    /// A larger binary is no program for a small virtual machine.
    static let binaryLimit = 512 << 20

    /// Every node gets the catalogue.
    static let fileLimit = 256 << 10

    private var checker: ShapeChecker
    private let file: String

    /// What the file says, or all its mistakes.
    static func read(_ path: String) -> (images: UserImages?, problems: [Problem]) {
        switch SourceFile.read(path) {
        case .success(let bytes): return read(bytes, file: path)
        case .failure(let error):
            return (nil, [Problem(file: path, line: 1, column: 1, message: error.message)])
        }
    }

    static func read(_ bytes: [UInt8], file: String) -> (images: UserImages?, problems: [Problem]) {
        guard bytes.count <= fileLimit else {
            let message = "the file has more than \(fileLimit) bytes"
            return (nil, [Problem(file: file, line: 1, column: 1, message: message)])
        }
        let reading = YAMLReading(bytes, file: file)
        var reader = UserImagesReader(checker: ShapeChecker(file: file), file: file)
        guard let document = reading.documents.first else {
            if reading.problems.isEmpty { reader.checker.report(Place(line: 1, column: 1), "the file is empty") }
            return (nil, (reading.problems + reader.checker.problems).sorted())
        }
        if reading.documents.count > 1 {
            reader.checker.report(reading.documents[1].place, "a file of images has one document only")
        }
        reader.checker.check(document, ImagesShape.document, "the file")
        let images = reader.images(document)
        let problems = (reading.problems + reader.checker.problems).sorted()
        return (problems.isEmpty ? images : nil, problems)
    }

    /// What the file that names the other one is told.
    static func summary(of problems: [Problem], in path: String) -> String {
        "\(path) has \(problems.count == 1 ? "a mistake" : "\(problems.count) mistakes") of its own"
    }

    private init(checker: ShapeChecker, file: String) {
        self.checker = checker
        self.file = file
    }

    private mutating func images(_ document: YAMLValue) -> UserImages {
        let packages = self.packages(document["packages"])
        let binaries = self.binaries(document["binaries"])
        checkImages(document["images"])
        return UserImages(
            file: file, packages: packages, binaries: binaries,
            catalogue: LabImages.catalogue(adding: document["images"]))
    }

    private mutating func packages(_ value: YAMLValue?) -> [UserImages.Package] {
        let items = value?.items ?? []
        if items.count > ImagesShape.packageLimit {
            checker.report(
                items[ImagesShape.packageLimit].place, "more than \(ImagesShape.packageLimit) packages in the file")
        }
        var seen: Set<String> = []
        return items.prefix(ImagesShape.packageLimit).compactMap { item in
            guard let name = item.text else { return nil }
            if !seen.insert(name).inserted { checker.report(item.place, "package \"\(name)\" is given twice") }
            return UserImages.Package(name: name, line: item.place.line, column: item.place.column)
        }
    }

    private mutating func binaries(_ value: YAMLValue?) -> [UserImages.Binary] {
        let entries = value?.entries ?? []
        if entries.count > ImagesShape.binaryLimit {
            checker.report(
                entries[ImagesShape.binaryLimit].keyPlace, "more than \(ImagesShape.binaryLimit) binaries in the file")
        }
        return entries.prefix(ImagesShape.binaryLimit).compactMap { entry in
            guard let given = entry.value.text, !given.isEmpty else { return nil }
            let place = entry.value.place
            let path = ControlPlaneLayout.path(given, beside: file)
            if let mistake = Self.mistake(of: path) {
                checker.report(place, mistake, expected: "a program that is linked statically for x86-64")
            }
            return UserImages.Binary(name: entry.key, path: path)
        }
    }

    /// Why a file cannot be a container's program; nil if it can.
    private static func mistake(of path: String) -> String? {
        let head: [UInt8]
        switch Result(catching: { () throws(RegularFile.Failure) in
            try RegularFile.read(path, upTo: StaticProgram.headLimit)
        }) {
        case .success(let bytes): head = bytes
        case .failure(let failure): return failure.isMissing ? "there is no file \(path)" : "\(path) \(failure)"
        }
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
        if size > binaryLimit { return "\(path) has more than \(binaryLimit >> 20) MiB" }
        return StaticProgram.mistake(head).map { "\(path) \($0)" }
    }

    /// Names that are given twice, images that are both, and references that no runtime takes.
    private mutating func checkImages(_ value: YAMLValue?) {
        let items = value?.items ?? []
        if items.count > ImagesShape.imageLimit {
            checker.report(
                items[ImagesShape.imageLimit].place, "more than \(ImagesShape.imageLimit) images in the file")
        }
        var lines: [String: Int] = [:]
        for image in items.prefix(ImagesShape.imageLimit) {
            if let program = image["entrypoint"], image["builtIn"] != nil {
                checker.report(program.place, "an image with \"builtIn\" has no program of its own")
            }
            for item in image["names"]?.items ?? [] {
                guard let name = item.text else { continue }
                if let line = lines.updateValue(item.place.line, forKey: LabImages.key(name)) {
                    checker.report(item.place, "image \"\(name)\" is given twice, first in line \(line)")
                }
            }
        }
    }
}
