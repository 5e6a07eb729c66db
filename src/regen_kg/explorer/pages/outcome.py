"""What is known, unknown and disputed about one outcome measure."""

from regen_kg.explorer import entity_page

entity_page.draw("outcome")
