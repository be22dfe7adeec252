#include "tools/overlay/drawing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "node/cli/text.h"

namespace byway::tools {
namespace {

using std::numbers::pi;

// All lines are drawn up to so many supernodes; beyond they would only be a grey disc.
constexpr std::size_t lines_up_to = 80;
constexpr double label_gap = 24;   // between the ring and a node's label
constexpr double group_gap = 0.7;  // between two netgroups, in nodes
constexpr double margin = 44;
constexpr double head = 96;   // above the ring: title
constexpr double foot = 104;  // below it: legend

struct Point {
  double x = 0;
  double y = 0;
};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value == 0 ? 0.0 : value);
  return text;
}
std::string hundredths(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}
std::string at(Point p) {
  return number(p.x) + " " + number(p.y);
}

// What a name says about how it should be drawn: distinct, and never the red of trouble.
std::string colour_of(std::size_t group) {
  const double hue = std::fmod(190 + 137.508 * static_cast<double>(group), 360);
  const bool reddish = hue < 20 || hue > 335;
  return "hsl(" + number(reddish ? std::fmod(hue + 60, 360) : hue) + ",48%,46%)";
}

// From teal, idle, by sand to orange, full.
std::string colour_of_load(double load) {
  constexpr std::array<std::array<int, 3>, 3> stops{
      {{58, 166, 160}, {217, 190, 100}, {222, 110, 50}}};
  const double t = std::clamp(load, 0.0, 1.0) * 2;
  const std::size_t from = t < 1 ? 0 : 1;
  std::string colour = "rgb(";
  for (std::size_t i = 0; i < 3; ++i) {
    const double part = t - static_cast<double>(from);
    const double value = stops[from][i] + part * (stops[from + 1][i] - stops[from][i]);
    colour += std::to_string(std::lround(value)) + (i < 2 ? "," : ")");
  }
  return colour;
}

// About how wide a browser draws it.
double width_of(std::string_view text, double size) {
  return 0.58 * size * static_cast<double>(text.size());
}

struct Node {
  const Sighting* sighting = nullptr;
  std::size_t group = 0;
  double angle = 0;  // from the top, clockwise
  double radius = 0;
  Point at;
};
struct Group {
  IpAddress netgroup;
  double first = 0;
  double last = 0;
  std::size_t size = 0;
};

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {}

  std::string svg() {
    lay_out();
    out_ += "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width_) + " " +
            number(height_) + "\" width=\"" + number(width_) + "\" height=\"" + number(height_) +
            "\" role=\"img\" aria-label=\"" + xml_escaped(title()) + "\">\n";
    style();
    out_ += "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n";
    draw_title();
    out_ += "<g transform=\"translate(" + at(centre_) + ")\">\n";
    draw_lines();
    draw_groups();
    draw_missing();
    for (const Node& node : nodes_) draw_node(node);
    out_ += "</g>\n";
    draw_legend();
    return out_ + "</svg>\n";
  }

 private:
  // --- where everything stands ---

  Point on_ring(double angle, double radius) const {
    return {radius * std::sin(angle), -radius * std::cos(angle)};
  }

  void lay_out() {
    for (const Sighting* sighting : chart_.in_order()) {
      const IpAddress netgroup = chart_.netgroup_of(sighting->endpoint);
      if (groups_.empty() || groups_.back().netgroup != netgroup)
        groups_.push_back({.netgroup = netgroup});
      ++groups_.back().size;
      nodes_.push_back({.sighting = sighting, .group = groups_.size() - 1});
      if (sighting->state) most_leaves_ = std::max(most_leaves_, sighting->state->leaves);
    }
    const double slots = static_cast<double>(nodes_.size()) +
                         (groups_.size() > 1 ? group_gap * static_cast<double>(groups_.size()) : 0);
    dense_ = nodes_.size() > lines_up_to;
    const double slot_width = dense_ ? 13 : 34;
    ring_ = std::max(230.0, slots * slot_width / (2 * pi));
    step_ = slots > 0 ? 2 * pi / slots : 0;
    double position = 0.5;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (i > 0 && nodes_[i].group != nodes_[i - 1].group) position += group_gap;
      Node& node = nodes_[i];
      node.angle = position * step_;
      node.at = on_ring(node.angle, ring_);
      node.radius = radius_of(*node.sighting);
      Group& group = groups_[node.group];
      if (i == 0 || nodes_[i - 1].group != node.group) group.first = node.angle - 0.42 * step_;
      group.last = node.angle + 0.42 * step_;
      position += 1;
    }
    double label = 0;
    for (const Node& node : nodes_) {
      const Sighting& s = *node.sighting;
      const double first = width_of(s.id.short_string() + "  " + facts_of(s), dense_ ? 10.5 : 12);
      label = std::max({label, first, width_of(second_line(s), 10.5)});
    }
    outer_ = ring_ + label_gap + label + 12;
    const double reach = outer_ + 22;
    width_ = std::max(2 * (reach + margin), 560.0);
    height_ = head + 2 * reach + foot;
    centre_ = {width_ / 2, head + reach};
  }

  double radius_of(const Sighting& sighting) const {
    const double least = dense_ ? 3.5 : 6;
    if (!sighting.state || most_leaves_ == 0) return least;
    const double share = static_cast<double>(sighting.state->leaves) / most_leaves_;
    return least + (dense_ ? 3.5 : 8) * std::sqrt(share);
  }

  // --- what is drawn ---

  void style() {
    out_ += R"(<style>
svg { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
.page { fill: #fcfbf8; }
.title { font-size: 24px; font-weight: 600; fill: #1f2733; }
.text { font-size: 13px; fill: #5b6573; }
.name { font-size: 12.5px; font-weight: 600; fill: #1f2733; font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
.fact { font-size: 10.5px; fill: #5b6573; }
.group { font-size: 11px; font-weight: 600; }
.line { fill: none; stroke-width: 1; }
.dot { stroke: #fcfbf8; stroke-width: 2; }
.silent { fill: #fcfbf8; stroke: #c8372d; stroke-width: 2; }
.gone { fill: #c8372d; }
.missing { fill: none; stroke: #c8372d; stroke-width: 1.4; stroke-dasharray: 5 4; }
.arrow { fill: #c8372d; }
.swatch { fill: none; stroke: #5b6573; stroke-width: 1.2; }
@media (prefers-color-scheme: dark) {
  .page { fill: #14181f; }
  .title, .name { fill: #e8ebf0; }
  .text, .fact { fill: #9aa5b4; }
  .dot { stroke: #14181f; }
  .silent { fill: #14181f; stroke: #ff6b5e; }
  .gone, .arrow { fill: #ff6b5e; }
  .missing { stroke: #ff6b5e; }
  .swatch { stroke: #9aa5b4; }
  .group, .band { filter: brightness(1.4); }
}
</style>
<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="arrow" d="M0 0.8 L8 4 L0 7.2 z"/></marker></defs>
)";
  }

  std::string title() const {
    return "A mesh of " + cli::counted(static_cast<std::int64_t>(nodes_.size()), "supernode");
  }

  std::string summary() const {
    std::uint64_t leaves = 0;
    std::uint64_t lanes = 0;
    for (const Node& node : nodes_) {
      if (!node.sighting->state) continue;
      leaves += node.sighting->state->leaves;
      lanes += node.sighting->state->lanes;
    }
    // The article has no plural of "leaf" that is a word.
    return "in " + cli::counted(static_cast<std::int64_t>(groups_.size()), "netgroup") + ", with " +
           (leaves == 1 ? "1 leaf" : std::to_string(leaves) + " leaves") + " registered and " +
           cli::counted(static_cast<std::int64_t>(lanes), "lane") + " open";
  }

  std::string agreement() const {
    const std::size_t silent = nodes_.size() - chart_.answered();
    std::string text = silent == 0 ? "All of them answer"
                                   : std::to_string(silent) + " of them " +
                                         (silent == 1 ? "does" : "do") + " not answer";
    if (chart_.views.size() == 1)
      text += silent == 0 ? ", and all know the same." : "; all others know the same.";
    else if (chart_.views.size() > 1)
      text += "; there are " + std::to_string(chart_.views.size()) + " different views.";
    else
      text += ".";
    if (!chart_.complete) text += " The walk was cut short: there may be more.";
    return text;
  }

  void text(const char* cls, Point p, const std::string& what, const std::string& more = {}) {
    out_ += std::string("<text class=\"") + cls + "\" x=\"" + number(p.x) + "\" y=\"" +
            number(p.y) + "\"" + more + ">" + xml_escaped(what) + "</text>\n";
  }

  void draw_title() {
    text("title", {margin, 46}, title());
    text("text", {margin, 70}, summary());
    text("text", {margin, 90}, agreement());
  }

  // Towards the centre and back: the nearer the two, the flatter.
  std::string curve(const Node& a, const Node& b, double from_edge, double to_edge) const {
    const auto pulled = [&](const Node& node, double edge) {
      const double share = (ring_ - node.radius - edge) / ring_;
      return Point{node.at.x * share, node.at.y * share};
    };
    const Point p = pulled(a, from_edge);
    const Point q = pulled(b, to_edge);
    const double apart = std::hypot(p.x - q.x, p.y - q.y) / (2 * ring_);
    const double pull = 0.75 * (1 - apart) * 0.9;
    const Point middle{(p.x + q.x) / 2 * pull, (p.y + q.y) / 2 * pull};
    return "M" + at(p) + " Q" + at(middle) + " " + at(q);
  }

  bool knows(const Node& a, const Node& b) const {
    const auto& view = a.sighting->view;
    if (!view) return false;
    const auto& members = chart_.views[*view].members;
    const auto found = members.find(b.sighting->id);
    return found != members.end() && found->second.admitted;
  }

  void draw_lines() {
    if (dense_) return;
    // The more there are, the fainter each.
    const double n = std::max<double>(1, static_cast<double>(nodes_.size()));
    out_ += "<g stroke-opacity=\"" + hundredths(std::clamp(7 / n, 0.26, 0.8)) + "\">\n";
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      for (std::size_t j = i + 1; j < nodes_.size(); ++j) {
        if (!knows(nodes_[i], nodes_[j]) || !knows(nodes_[j], nodes_[i])) continue;
        out_ += "<path class=\"line\" stroke=\"" + colour_of(nodes_[i].group) + "\" d=\"" +
                curve(nodes_[i], nodes_[j], 2, 2) + "\"/>\n";
      }
    out_ += "</g>\n";
  }

  void draw_missing() {
    if (dense_) return;
    for (const Node& node : nodes_)
      for (const Node& other : nodes_) {
        if (!node.sighting->view || &node == &other || !other.sighting->state || knows(node, other))
          continue;
        out_ += "<path class=\"missing\" marker-end=\"url(#to)\" d=\"" + curve(node, other, 4, 8) +
                "\"/>\n";
      }
  }

  void draw_groups() {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const Group& group = groups_[g];
      const std::string colour = colour_of(g);
      arc(outer_, group.first, group.last,
          " class=\"band\" stroke=\"" + colour +
              "\" stroke-width=\"3\" stroke-linecap=\"round\" fill=\"none\"");
      const std::string name = chart_.netgroup_text(group.netgroup);
      const double room = (group.last - group.first + group_gap * step_) * outer_;
      if (room < static_cast<double>(name.size()) * 6.4) continue;
      // Along the lower half it is turned about, so that nobody has to stand on their head.
      const double middle = (group.first + group.last) / 2;
      const bool lower = std::cos(middle) < 0;
      const double turn = middle * 180 / pi + (lower ? 180 : 0);
      text("group", {0, lower ? outer_ + 16 : -outer_ - 8}, name,
           " fill=\"" + colour + "\" text-anchor=\"middle\" transform=\"rotate(" + number(turn) +
               ")\"");
    }
  }

  void arc(double radius, double first, double last, const std::string& more) {
    // A whole circle has no two ends.
    const double end = std::min(last, first + 2 * pi - 0.01);
    out_ += "<path d=\"M" + at(on_ring(first, radius)) + " A" + number(radius) + " " +
            number(radius) + " 0 " + (end - first > pi ? "1" : "0") + " 1 " +
            at(on_ring(end, radius)) + "\"" + more + "/>\n";
  }

  static std::string facts_of(const Sighting& sighting) {
    if (!sighting.state) return sighting.asked ? "does not answer" : "was not asked";
    std::string facts =
        sighting.state->leaves == 1 ? "1 leaf" : std::to_string(sighting.state->leaves) + " leaves";
    if (sighting.state->lanes > 0) facts += ", " + cli::counted(sighting.state->lanes, "lane");
    if (sighting.rtt) facts += ", " + cli::milliseconds(to_ms(*sighting.rtt));
    return facts;
  }

  static std::string second_line(const Sighting& sighting) {
    const bool refuses = sighting.state && !sighting.state->relays;
    return sighting.endpoint.to_string() + (refuses ? ", relays nothing" : "");
  }

  void draw_node(const Node& node) {
    const Sighting& sighting = *node.sighting;
    const std::string where = " cx=\"" + number(node.at.x) + "\" cy=\"" + number(node.at.y) +
                              "\" r=\"" + number(node.radius) + "\"";
    out_ += "<g><title>" +
            xml_escaped(sighting.id.to_string() + " at " + sighting.endpoint.to_string() + ", " +
                        (sighting.state ? sighting.state->agent + ", " : "") + facts_of(sighting)) +
            "</title>\n";
    if (sighting.state)
      out_ +=
          "<circle class=\"dot\" fill=\"" + colour_of_load(sighting.load()) + "\"" + where + "/>\n";
    else
      out_ += "<circle class=\"silent\"" + where + "/>\n";

    const bool left = std::sin(node.angle) < 0;
    const double turn = node.angle * 180 / pi - 90 + (left ? 180 : 0);
    const double x = (left ? -1 : 1) * (ring_ + (dense_ ? 12 : label_gap));
    const std::string anchor = left ? " text-anchor=\"end\"" : "";
    out_ += "<g transform=\"rotate(" + number(turn) + ")\">\n";
    if (dense_) {
      text("fact", {x, 3.5}, sighting.id.short_string() + "  " + facts_of(sighting), anchor);
    } else {
      // The name stands next to its dot.
      const std::string gap = " dx=\"7\"";
      const std::string name = "<tspan class=\"name\"" + (left ? gap : "") + ">" +
                               sighting.id.short_string() + "</tspan>";
      const std::string facts = std::string("<tspan class=\"fact") +
                                (sighting.state ? "\"" : " gone\"") + (left ? "" : gap) + ">" +
                                xml_escaped(facts_of(sighting)) + "</tspan>";
      out_ += "<text x=\"" + number(x) + "\" y=\"-2\"" + anchor + ">" +
              (left ? facts + name : name + facts) + "</text>\n";
      text("fact", {x, 11}, second_line(sighting), anchor);
    }
    out_ += "</g></g>\n";
  }

  void draw_legend() {
    double y = height_ - 58;
    double x = margin;
    const auto word = [&](const std::string& what) {
      text("text", {x, y + 4.5}, what);
      x += width_of(what, 13) + 26;
    };
    for (const double share : {0.0, 0.25, 1.0}) {
      const double r = 4 + 6 * std::sqrt(share);
      out_ += "<circle class=\"swatch\" cx=\"" + number(x + r) + "\" cy=\"" + number(y) +
              "\" r=\"" + number(r) + "\"/>\n";
      x += 2 * r + 5;
    }
    x += 4;
    word(most_leaves_ == 0 ? "no leaves anywhere"
                           : "leaves, up to " + std::to_string(most_leaves_));
    for (const double load : {0.0, 0.25, 0.5, 0.75, 1.0}) {
      out_ += "<rect x=\"" + number(x) + "\" y=\"" + number(y - 7) +
              "\" width=\"13\" height=\"14\" fill=\"" + colour_of_load(load) + "\"/>\n";
      x += 13;
    }
    x += 8;
    word("idle to full");

    y += 26;
    x = margin;
    out_ += "<circle class=\"silent\" cx=\"" + number(x + 6) + "\" cy=\"" + number(y) +
            "\" r=\"6\"/>\n";
    x += 20;
    word("does not answer");
    if (dense_) return;
    out_ += "<path class=\"line\" stroke=\"" + colour_of(0) + "\" stroke-opacity=\"0.8\" d=\"M" +
            at({x, y}) + " h26\"/>\n";
    x += 34;
    word("know one another");
    out_ += "<path class=\"missing\" marker-end=\"url(#to)\" d=\"M" + at({x, y}) + " h28\"/>\n";
    x += 38;
    word("does not know");
  }

  const Chart& chart_;
  std::vector<Node> nodes_;
  std::vector<Group> groups_;
  std::uint32_t most_leaves_ = 0;
  bool dense_ = false;
  double step_ = 0;  // the angle that a node takes up
  double ring_ = 0;
  double outer_ = 0;
  double width_ = 0;
  double height_ = 0;
  Point centre_;
  std::string out_;
};

}  // namespace

std::string as_svg(const Chart& chart) {
  return Drawing(chart).svg();
}

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += code < 0x20 || code >= 0x7f ? '?' : c;
    }
  }
  return out;
}

std::string dot_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    out += code < 0x20 || code >= 0x7f ? '?' : c;
  }
  return out;
}

std::string as_dot(const Chart& chart) {
  std::string out = "digraph mesh {\n  node [shape=ellipse, fontname=\"sans-serif\"];\n";
  std::optional<IpAddress> netgroup;
  std::size_t cluster = 0;
  const auto all = chart.in_order();
  for (const Sighting* s : all) {
    const IpAddress its = chart.netgroup_of(s->endpoint);
    if (netgroup != its) {
      if (netgroup) out += "  }\n";
      netgroup = its;
      out += "  subgraph cluster_" + std::to_string(cluster++) + " {\n    label=\"" +
             dot_escaped(chart.netgroup_text(its)) + "\";\n";
    }
    std::string label = s->id.short_string() + "\\n" + dot_escaped(s->endpoint.to_string());
    if (s->state) label += "\\n" + std::to_string(s->state->leaves) + " leaves";
    out += "    \"" + s->id.to_string() + "\" [label=\"" + label + "\"" +
           (s->state ? "" : ", color=red, fontcolor=red") + "];\n";
  }
  if (netgroup) out += "  }\n";
  // Who knows whom: one edge where it is mutual, a red dashed arrow where one lacks the other.
  const auto knows = [&](const Sighting* a, const Sighting* b) {
    if (!a->view) return false;
    const auto& members = chart.views[*a->view].members;
    const auto found = members.find(b->id);
    return found != members.end() && found->second.admitted;
  };
  for (const Sighting* a : all)
    for (const Sighting* b : all) {
      if (a->id >= b->id || !knows(a, b) || !knows(b, a)) continue;
      out += "  \"" + a->id.to_string() + "\" -> \"" + b->id.to_string() + "\" [dir=none];\n";
    }
  for (const Sighting* a : all)
    for (const NodeId& b : chart.unknown_to(*a))
      out += "  \"" + a->id.to_string() + "\" -> \"" + b.to_string() +
             "\" [style=dashed, color=red];\n";
  return out + "}\n";
}

}  // namespace byway::tools
