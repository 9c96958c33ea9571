import CDatapathABI
import DatapathOptions
import Diagnosis
import Expectations
import Faults
import Scenario
import ShippedScenarios

/// Documents, and parts of documents, that are made from the tables the program itself works by. `labrun docs` writes
/// them; a test compares the files with them.
public enum ReferenceDocuments {
    /// Every generated document, in the order in which they are written.
    public static var all: [GeneratedDocument] {
        let scenarios = ScenarioRow.shipped
        return [
            GeneratedDocument(
                path: "README.md", isPart: true, generated: scenarioTable(scenarios, folder: "scenarios/")),
            GeneratedDocument(path: "docs/reference/scenarios.md", generated: scenarioPage(scenarios)),
            GeneratedDocument(path: "docs/reference/faults.md", generated: faultPage),
            GeneratedDocument(path: "docs/reference/diagnoses.md", generated: diagnosisPage(scenarios)),
            GeneratedDocument(path: "docs/reference/datapath-options.md", generated: optionPage),
            GeneratedDocument(path: "docs/reference/drop-reasons.md", generated: dropReasonPage),
            GeneratedDocument(path: "docs/reference/commands.md", generated: CommandPage.text),
        ]
    }

    /// The lines between which a part of a hand-written document is generated.
    static let markers = (
        begin: "<!-- begin: written by `labrun docs` -->", end: "<!-- end: written by `labrun docs` -->"
    )

    /// The second line of every page that is generated as a whole.
    private static let notice =
        "<!-- Written by `labrun docs`; a test compares it with the program. Do not edit it. -->"

    static func page(_ title: String, _ introduction: String, _ body: String) -> String {
        "# \(title)\n\(notice)\n\n\(introduction)\n\n\(body)"
    }

    /// A Markdown table, with a line feed at its end.
    static func table(_ header: [String], _ rows: [[String]]) -> String {
        let lines = [header, header.map { _ in "---" }] + rows
        return lines.map { "| " + $0.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n" }.joined()
    }

    static func code(_ text: String) -> String { "`\(text)`" }
}

/// A document of which all or a part is generated.
public struct GeneratedDocument: Sendable {
    /// Relative to the checkout's root.
    public let path: String
    /// Whether people write the rest of the file, around the marked part.
    var isPart = false
    let generated: String

    /// The whole file as it should be.
    /// - Parameter old: The file as it is; nil when there is none.
    /// - Returns: nil when a part has no place to go, because the file or its markers are missing.
    public func text(replacing old: String?) -> String? {
        guard isPart else { return generated }
        let markers = ReferenceDocuments.markers
        guard let old, let begin = old.firstRange(of: markers.begin), let end = old.firstRange(of: markers.end),
            begin.upperBound < end.lowerBound
        else { return nil }
        return old[..<begin.upperBound] + "\n" + generated + old[end.lowerBound...]
    }
}

/// What the tables tell of a scenario.
struct ScenarioRow {
    let name: String
    let title: String
    let lab: String
    /// Kinds of faults that its steps inject, in the order of their first appearance.
    let faults: [String]
    /// Diagnoses that its steps expect, apart from `none`, in the order of their first appearance.
    let diagnoses: [String]

    /// The scenarios that ship, sorted by name. A test holds that all of them can be read, so none is left out here.
    static var shipped: [ScenarioRow] {
        ShippedScenarios.names.sorted().compactMap { name in
            (try? ScenarioLoader.load(name, faults: FaultCatalogue.shipped.descriptors)).map(ScenarioRow.init)
        }
    }

    init(_ loaded: LoadedScenario) {
        let steps = loaded.scenario.spec.timeline
        name = loaded.scenario.metadata.name
        title = loaded.scenario.metadata.title
        lab = loaded.profile.name
        faults = steps.flatMap(\.actions).reduce(into: []) { kinds, action in
            if case .inject(let call) = action, !kinds.contains(call.kind) { kinds.append(call.kind) }
        }
        diagnoses = steps.compactMap { $0.expect?.of(DiagnosisExpectation.self).first?.id }.reduce(into: []) {
            ids, id in
            if id != "none", !ids.contains(id) { ids.append(id) }
        }
    }
}

extension ReferenceDocuments {
    /// - Parameter folder: The way from the document's folder to the scenarios.
    private static func scenarioTable(_ rows: [ScenarioRow], folder: String) -> String {
        table(
            ["scenario", "what it shows", "faults", "expected diagnoses"],
            rows.map {
                [
                    "[`\($0.name)`](\(folder)\($0.name).yaml)", $0.title, words($0.faults), words($0.diagnoses),
                ]
            })
    }

    private static func scenarioPage(_ rows: [ScenarioRow]) -> String {
        page(
            "Scenarios that ship",
            "`labrun scenario NAME` runs one of them; `labrun scenario explain NAME` says step by step what it does "
                + "and expects.\nThe lab is a profile of [`lab/profiles/`](../../lab/profiles).",
            table(
                ["scenario", "lab", "what it shows", "faults", "expected diagnoses"],
                rows.map {
                    [
                        "[`\($0.name)`](../../scenarios/\($0.name).yaml)", code($0.lab), $0.title, words($0.faults),
                        words($0.diagnoses),
                    ]
                }))
    }

    private static var faultPage: String {
        let sections = FaultCatalogue.shipped.descriptors.map { fault in
            "## `\(fault.kind)`\n\n\(fault.summary.replacing("{", with: "*").replacing("}", with: "*")).\n\n"
                + (fault.parameters.isEmpty
                    ? "It takes no parameters.\n"
                    : table(
                        ["parameter", "value", "required", "meaning"],
                        fault.parameters.map {
                            [code($0.name), words($0.type), $0.isRequired ? "yes" : "", $0.help]
                        }))
        }
        return page(
            "Faults",
            "A step injects a fault by `inject: [{fault: KIND, id: ID, …parameters}]` and ends it by `heal: ID`.\n"
                + "What proves each of them is in [the scenario format](scenario-format.md#faults).",
            sections.joined(separator: "\n"))
    }

    private static func diagnosisPage(_ rows: [ScenarioRow]) -> String {
        page(
            "Diagnoses",
            "The names that `diagnosis: {is: …}` takes, most specific first, and the shipped scenarios that expect\n"
                + "them. From which evidence each is found is in [the scenario format](scenario-format.md#diagnoses).",
            table(
                ["diagnosis", "expected by"],
                Diagnosis.ids.map { id in
                    [code(id), words(rows.filter { $0.diagnoses.contains(id) }.map(\.name))]
                }))
    }

    private static var optionPage: String {
        page(
            "Options of the datapath",
            "Values of Cilium's chart that labrun knows, as `datapath.values` of a lab, `overrides` of a scenario,\n"
                + "the action `set`, and `--set datapath.values.NAME=VALUE` take them. A value that does not act is\n"
                + "refused with the reason given here.",
            table(
                ["option", "value", "acts"],
                OptionCatalogue.keys.map { key in
                    switch key.support {
                    case .acts: [code(key.name), key.type.expected, "all values"]
                    case .only(let values, let reason):
                        [
                            code(key.name), key.type.expected,
                            "only \(words(values.map { $0.isEmpty ? "(empty)" : $0 })): \(reason)",
                        ]
                    }
                }))
    }

    private static var dropReasonPage: String {
        let reasons = NamedDropReason.all.map { [String($0.number), code($0.name), $0.meaning] }
        let points = (Int32(0)...255).compactMap { number in
            dp_point_name(number).map { [String(number), code(String(cString: $0))] }
        }
        return page(
            "Drop reasons and trace points",
            "What the datapath's events and metrics name, from `bpf/abi/include/abi_numbers.h`.\n"
                + "`drops: [{reason: NAME}]` of a scenario takes the names.",
            "## Drop reasons\n\n" + table(["number", "name", "meaning"], reasons)
                + "\n## Trace points\n\nWhere a packet was seen. A drop carries the point at which its program was "
                + "entered.\n\n"
                + table(["number", "name"], points))
    }

    private static func words(_ names: [String]) -> String { names.map(code).joined(separator: ", ") }

    private static func words(_ type: FaultDescriptor.ParameterType) -> String {
        switch type {
        case .text: "a text"
        case .integer(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .percent: "a share such as `2.5%`"
        case .duration: "a time such as `200ms`"
        case .ports: "`8472` or `30000-32767`"
        case .choice(let names): words(names)
        case .nodes: "`all`, a node, or a list of nodes"
        case .flag: "`true` or `false`"
        }
    }
}
