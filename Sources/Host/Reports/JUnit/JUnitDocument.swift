import Foundation
import PlainText
import XMLCoder

/// The JUnit dialect on which the readers of Jenkins, GitLab, GitHub actions and Maven Surefire agree. Times are in
/// seconds.
struct JUnitDocument: Encodable, DynamicNodeEncoding {
    var name = "labrun"
    var tests: Int
    var failures: Int
    var errors: Int
    var skipped: Int
    var time: String
    var testsuite: [JUnitSuite]

    init(suites: [JUnitSuite]) {
        testsuite = suites
        tests = suites.reduce(0) { $0 + $1.tests }
        failures = suites.reduce(0) { $0 + $1.failures }
        errors = suites.reduce(0) { $0 + $1.errors }
        skipped = suites.reduce(0) { $0 + $1.skipped }
        time = seconds(suites.reduce(0) { $0 + $1.seconds })
    }

    func xml() throws -> Data {
        let encoder = XMLEncoder()
        encoder.outputFormatting = [.prettyPrinted]
        encoder.prettyPrintIndentation = .spaces(2)
        // Readers fold line breaks in an attribute into blanks unless they are written as references.
        encoder.charactersEscapedInAttributes += [("\n", "&#10;"), ("\t", "&#9;")]
        let header = XMLHeader(version: 1.0, encoding: "UTF-8")
        return try encoder.encode(self, withRootKey: "testsuites", header: header) + Data("\n".utf8)
    }

    static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
        key.stringValue == "testsuite" ? .element : .attribute
    }
}

/// The suite of one scenario.
struct JUnitSuite: Encodable, DynamicNodeEncoding {
    struct Properties: Encodable {
        var property: [Property]
    }
    struct Property: Encodable, DynamicNodeEncoding {
        var name: String
        var value: String
        static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding { .attribute }
    }

    var name: String
    var tests: Int
    var failures: Int
    var errors: Int
    var skipped: Int
    var time: String
    var timestamp: String
    var properties: Properties
    var testcase: [JUnitCase]
    let seconds: Double

    init(name: String, seconds duration: Double, timestamp: String, properties: [Property], cases: [JUnitCase]) {
        self.name = name
        self.timestamp = timestamp
        self.properties = Properties(property: properties)
        testcase = cases
        tests = cases.count
        failures = cases.count { $0.failure != nil }
        errors = cases.count { $0.error != nil }
        skipped = cases.count { $0.skipped != nil }
        seconds = duration
        time = Reports.seconds(duration)
    }

    enum CodingKeys: String, CodingKey {
        case name, tests, failures, errors, skipped, time, timestamp, properties, testcase
    }

    static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
        key.stringValue == "properties" || key.stringValue == "testcase" ? .element : .attribute
    }
}

/// One expectation or one fault of a step. At most one of failure, error and skipped is set.
struct JUnitCase: Encodable, DynamicNodeEncoding {
    /// What a reader shows of a case that did not simply pass. The text repeats the message.
    struct Remark: Encodable, DynamicNodeEncoding {
        var message: String
        var type: String
        var text: String

        init(type: String, message: String, details: [String] = []) {
            self.type = type
            self.message = PlainText.xml(message, limit: 2_000)
            text = PlainText.xml(([message] + details).joined(separator: "\n"))
        }

        enum CodingKeys: String, CodingKey {
            case message, type
            case text = ""
        }
        static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
            key.stringValue.isEmpty ? .element : .attribute
        }
    }

    var name: String
    var classname: String
    var time: String
    var file: String
    var failure: Remark?
    var error: Remark?
    var skipped: Remark?
    var flakyFailure: Remark?
    var systemOut: String?

    enum CodingKeys: String, CodingKey {
        case name, classname, time, file, failure, error, skipped, flakyFailure
        case systemOut = "system-out"
    }

    static func nodeEncoding(for key: any CodingKey) -> XMLEncoder.NodeEncoding {
        ["name", "classname", "time", "file"].contains(key.stringValue) ? .attribute : .element
    }
}

/// Formats seconds with milliseconds and a point, whatever the locale is.
func seconds(_ value: Double) -> String {
    let milliseconds = Int(min(max(0, value.isFinite ? value : 0), 1e9) * 1_000 + 0.5)
    let fraction = String(milliseconds % 1_000)
    return "\(milliseconds / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
}
